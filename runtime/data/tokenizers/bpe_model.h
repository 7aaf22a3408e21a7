// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Byte-pair encoding (Sennrich et al., "Neural machine translation of rare
// words with subword units", ACL 2016) of one word: it starts as its bytes, and
// of all neighbours that are a merge the one of the least rank is joined, the
// leftmost first, until there is none.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BPE_MODEL_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BPE_MODEL_H_

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace switchyard {

class BpeModel {
 public:
  struct Parts {
    // The token of each byte.
    std::array<int32_t, 256> bytes{};
    // By (left token, right token), PairKey: rank and the token they become.
    struct Merge {
      int32_t rank = 0;
      int32_t result = 0;
    };
    absl::flat_hash_map<uint64_t, Merge> merges;
    // Words that are a token as they stand, whatever the merges say.
    absl::flat_hash_map<std::string, int32_t> words;
  };
  static uint64_t PairKey(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 |
           static_cast<uint32_t>(right);
  }

  explicit BpeModel(Parts parts) : parts_(std::move(parts)) {}

  // Appends the tokens of a word. Words of up to kLongestKept bytes are
  // remembered.
  void Encode(absl::string_view word, std::vector<int32_t>* tokens);

 private:
  static constexpr size_t kLongestKept = 64;
  static constexpr size_t kMostKept = size_t{1} << 17;

  // A piece of the word, in a list: joined ones leave it.
  struct Symbol {
    int32_t token = 0;
    int32_t previous = -1;
    int32_t next = -1;
  };
  // Symbol `left` and its right neighbour, should they still be there.
  struct Candidate {
    int32_t rank = 0;
    int32_t left = 0;
    int32_t result = 0;
    uint64_t pair = 0;
  };
  struct Kept {
    size_t begin = 0;
    size_t count = 0;
  };

  void Merge(absl::string_view word, std::vector<int32_t>* tokens);
  void AddCandidate(int32_t left);
  void Join(const Candidate& candidate);
  void Keep(absl::string_view word, const int32_t* tokens, size_t count);

  const Parts parts_;
  absl::flat_hash_map<std::string, Kept> kept_;
  std::vector<int32_t> kept_tokens_;
  // Of the word at hand.
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BPE_MODEL_H_
