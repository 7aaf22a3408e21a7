// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Checksums of stored bytes: XXH3, 64 bits.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_BLOCK_CHECKSUM_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_BLOCK_CHECKSUM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace switchyard {

// A stored slice has a checksum for each so many of its elements, and one for
// the rest, so that a part of it can be checked without reading all.
inline constexpr int64_t kChecksumBlock = int64_t{1} << 20;

uint64_t ChecksumOf(absl::string_view bytes);

// The checksums of blocks of elements that come in pieces, in their order.
class BlockChecksums {
 public:
  explicit BlockChecksums(int64_t element_bytes);
  ~BlockChecksums();
  BlockChecksums(const BlockChecksums&) = delete;
  BlockChecksums& operator=(const BlockChecksums&) = delete;

  void Add(absl::string_view bytes);
  // Those of all blocks; the last may be shorter than others.
  std::vector<uint64_t> Finish();

 private:
  struct State;

  const int64_t block_bytes_;
  int64_t in_block_ = 0;  // bytes of the block that is not whole
  std::unique_ptr<State> state_;
  std::vector<uint64_t> checksums_;
};

// Sixteen hexadecimal digits, and back; false if `text` is nothing else.
std::string ChecksumText(uint64_t checksum);
bool ParseChecksum(absl::string_view text, uint64_t* checksum);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_BLOCK_CHECKSUM_H_
