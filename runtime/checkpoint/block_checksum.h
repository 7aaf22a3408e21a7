// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Checksums of stored bytes: XXH3, 64 bits.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_BLOCK_CHECKSUM_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_BLOCK_CHECKSUM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace switchyard {

// A stored slice has a checksum for each so many of its elements, and one for
// the rest, so that a part of it can be checked without reading all.
inline constexpr int64_t kChecksumBlock = int64_t{1} << 20;

uint64_t ChecksumOf(absl::string_view bytes);

// Of each block of `count` elements of `element_bytes` bytes.
std::vector<uint64_t> BlockChecksums(const void* elements, int64_t count,
                                     int64_t element_bytes);

// Sixteen hexadecimal digits, and back; false if `text` is nothing else.
std::string ChecksumText(uint64_t checksum);
bool ParseChecksum(absl::string_view text, uint64_t* checksum);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_BLOCK_CHECKSUM_H_
