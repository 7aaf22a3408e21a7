// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/block_checksum.h"

// Compiled in: whoever links a static library needs no other one for it.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace switchyard {

uint64_t ChecksumOf(absl::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

struct BlockChecksums::State {
  XXH3_state_t hash;
};

BlockChecksums::BlockChecksums(int64_t element_bytes)
    : block_bytes_(kChecksumBlock * element_bytes),
      state_(std::make_unique<State>()) {
  XXH3_64bits_reset(&state_->hash);
}

BlockChecksums::~BlockChecksums() = default;

void BlockChecksums::Add(absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t part = static_cast<size_t>(std::min<int64_t>(
        block_bytes_ - in_block_, static_cast<int64_t>(bytes.size())));
    XXH3_64bits_update(&state_->hash, bytes.data(), part);
    bytes.remove_prefix(part);
    in_block_ += static_cast<int64_t>(part);
    if (in_block_ == block_bytes_) {
      checksums_.push_back(XXH3_64bits_digest(&state_->hash));
      XXH3_64bits_reset(&state_->hash);
      in_block_ = 0;
    }
  }
}

std::vector<uint64_t> BlockChecksums::Finish() {
  if (in_block_ > 0) {
    checksums_.push_back(XXH3_64bits_digest(&state_->hash));
    XXH3_64bits_reset(&state_->hash);
    in_block_ = 0;
  }
  return std::move(checksums_);
}

std::string ChecksumText(uint64_t checksum) {
  return absl::StrCat(absl::Hex(checksum, absl::kZeroPad16));
}

bool ParseChecksum(absl::string_view text, uint64_t* checksum) {
  // What SimpleHexAtoi would let pass: signs, blanks, 0x, capital letters.
  return absl::SimpleHexAtoi(text, checksum) && text == ChecksumText(*checksum);
}

}  // namespace switchyard
