// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/byte_level.h"

#include <array>

#include "switchyard/runtime/data/tokenizers/utf8.h"

namespace switchyard {
namespace {

constexpr int kNone = -1;
constexpr uint32_t kEnd = 256 + 68;  // of the characters

constexpr bool IsItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
         byte >= 0xAE;
}

constexpr std::array<int, kEnd> MakeBytes() {
  std::array<int, kEnd> bytes{};
  for (int& byte : bytes) byte = kNone;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    bytes[IsItself(byte) ? byte : next++] = byte;
  }
  return bytes;
}
constexpr std::array<int, kEnd> kBytes = MakeBytes();

}  // namespace

std::optional<std::string> BytesOfByteLevel(absl::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const Character character = CharacterAt(token, at);
    if (character.code >= kEnd || kBytes[character.code] == kNone) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(kBytes[character.code]));
    at += character.bytes;
  }
  return bytes;
}

}  // namespace switchyard
