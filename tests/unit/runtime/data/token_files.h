// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Token files written by hand, number by number.
#ifndef SWITCHYARD_TESTS_UNIT_RUNTIME_DATA_TOKEN_FILES_H_
#define SWITCHYARD_TESTS_UNIT_RUNTIME_DATA_TOKEN_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace switchyard::testing {

template <typename T>
std::string Bytes(const std::vector<T>& numbers) {
  std::string bytes;
  for (const T number : numbers) {
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes.push_back(
          static_cast<char>(static_cast<uint64_t>(number) >> (8 * i) & 0xFF));
    }
  }
  return bytes;
}

inline std::string LlmcBytes(const std::vector<uint16_t>& tokens) {
  std::vector<int32_t> header(256, 0);
  header[0] = 20240520;
  header[1] = 1;
  header[2] = static_cast<int32_t>(tokens.size());
  return absl::StrCat(Bytes(header), Bytes(tokens));
}

// An index of Megatron, each field as it is given.
struct MegatronIndex {
  std::string magic = std::string("MMIDIDX\0\0", 9);
  uint64_t version = 1;
  uint8_t type = 8;
  std::vector<int32_t> lengths = {3, 0, 2};
  std::vector<int64_t> begins = {0, 6, 6};
  std::vector<int64_t> documents = {0, 2, 3};
  // 0: as many as there are.
  uint64_t sequence_count = 0;
  uint64_t document_count = 0;
  std::string rest;

  std::string Content() const {
    const uint64_t counts[] = {
        sequence_count > 0 ? sequence_count : lengths.size(),
        document_count > 0 ? document_count : documents.size()};
    return absl::StrCat(magic, Bytes<uint64_t>({version}),
                        Bytes<uint8_t>({type}), Bytes<uint64_t>({counts[0]}),
                        Bytes<uint64_t>({counts[1]}), Bytes(lengths),
                        Bytes(begins), Bytes(documents), rest);
  }
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_UNIT_RUNTIME_DATA_TOKEN_FILES_H_
