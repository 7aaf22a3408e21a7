// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/block_checksum.h"

// Compiled in: whoever links a static library needs no other one for it.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace switchyard {

uint64_t ChecksumOf(absl::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::vector<uint64_t> BlockChecksums(const void* elements, int64_t count,
                                     int64_t element_bytes) {
  const char* bytes = static_cast<const char*>(elements);
  std::vector<uint64_t> checksums;
  for (int64_t first = 0; first < count; first += kChecksumBlock) {
    const int64_t block = std::min(kChecksumBlock, count - first);
    checksums.push_back(
        ChecksumOf({bytes + first * element_bytes,
                    static_cast<size_t>(block * element_bytes)}));
  }
  return checksums;
}

std::string ChecksumText(uint64_t checksum) {
  return absl::StrCat(absl::Hex(checksum, absl::kZeroPad16));
}

bool ParseChecksum(absl::string_view text, uint64_t* checksum) {
  // What SimpleHexAtoi would let pass: signs, blanks, 0x, capital letters.
  return absl::SimpleHexAtoi(text, checksum) && text == ChecksumText(*checksum);
}

}  // namespace switchyard
