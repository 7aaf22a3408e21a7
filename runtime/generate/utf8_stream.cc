// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/utf8_stream.h"

#include <cstdint>

namespace switchyard {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

// Bytes of the character that begins with `first`; 0: none does.
size_t CharacterBytes(uint8_t first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  if (first >= 0xF0 && first <= 0xF4) return 4;
  return 0;
}

// Whether `byte` may stand at `place` (1 to 3) behind `first`: the second byte
// of some is bounded, against overlong forms, surrogates and what is beyond
// U+10FFFF.
bool MayFollow(uint8_t first, size_t place, uint8_t byte) {
  if (place == 1) {
    if (first == 0xE0) return byte >= 0xA0 && byte <= 0xBF;
    if (first == 0xED) return byte >= 0x80 && byte <= 0x9F;
    if (first == 0xF0) return byte >= 0x90 && byte <= 0xBF;
    if (first == 0xF4) return byte >= 0x80 && byte <= 0x8F;
  }
  return byte >= 0x80 && byte <= 0xBF;
}

}  // namespace

std::string Utf8Stream::Append(absl::string_view bytes) {
  std::string shown;
  for (const char c : bytes) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (!pending_.empty()) {
      const uint8_t first = static_cast<uint8_t>(pending_.front());
      if (MayFollow(first, pending_.size(), byte)) {
        pending_ += c;
        if (pending_.size() == CharacterBytes(first)) {
          shown += pending_;
          pending_.clear();
        }
        continue;
      }
      shown += Finish();
    }
    const size_t count = CharacterBytes(byte);
    if (count == 0) {
      shown += kReplacement;
    } else if (count == 1) {
      shown += c;
    } else {
      pending_ = c;
    }
  }
  return shown;
}

std::string Utf8Stream::Finish() {
  if (pending_.empty()) return "";
  pending_.clear();
  return kReplacement;
}

}  // namespace switchyard
