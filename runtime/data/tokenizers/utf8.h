// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 from outside: RFC 3629, so no overlong forms, no surrogates and nothing
// above U+10FFFF.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_UTF8_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_UTF8_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace switchyard {

// Bytes at the front of `text` that are whole characters; text.size() if all
// are.
size_t Utf8Prefix(absl::string_view text);

// Whether a character may begin with this byte.
inline bool BeginsCharacter(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0) != 0x80;
}

struct Character {
  uint32_t code = 0;
  size_t bytes = 0;
};

// The character at `at` of text that is UTF-8.
inline Character CharacterAt(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> uint32_t {
    return static_cast<uint8_t>(text[at + i]);
  };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (first < 0xF0) {
    return {(first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  }
  return {(first & 0x07) << 18 | (byte(1) & 0x3F) << 12 |
              (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F),
          4};
}

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_UTF8_H_
