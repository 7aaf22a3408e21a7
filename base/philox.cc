// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/philox.h"

namespace switchyard {

PhiloxCounter Philox4x32(uint64_t key, const PhiloxCounter& counter) {
  constexpr uint64_t kMultiply0 = 0xD2511F53, kMultiply1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  PhiloxCounter x = counter;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiply0 * x[0];
    const uint64_t product1 = kMultiply1 * x[2];
    x = {static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ key0,
         static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ key1,
         static_cast<uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return x;
}

uint64_t MixKey(uint64_t key, uint64_t value) {
  const PhiloxCounter words =
      Philox4x32(key, {static_cast<uint32_t>(value),
                       static_cast<uint32_t>(value >> 32), 0x6b657931, 0});
  return (static_cast<uint64_t>(words[1]) << 32) | words[0];
}

uint64_t MixKey(uint64_t key, std::string_view name) {
  for (size_t at = 0; at < name.size(); at += 7) {
    uint64_t block = 0;
    for (size_t i = at; i < at + 7 && i < name.size(); ++i) {
      block = (block << 8) | static_cast<unsigned char>(name[i]);
    }
    key = MixKey(key, block);
  }
  return MixKey(key, static_cast<uint64_t>(name.size()));
}

}  // namespace switchyard
