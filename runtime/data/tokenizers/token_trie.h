// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Strings that are tokens wherever they stand in a text: leftmost first, of
// those the longest, as the added tokens of tokenizer.json are found.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_TOKEN_TRIE_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_TOKEN_TRIE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace switchyard {

class TokenTrie {
 public:
  TokenTrie() = default;

  // `text` is not empty. Of two equal ones the last counts.
  void Add(absl::string_view text, int32_t token);
  bool empty() const { return tokens_.size() == 1; }

  // Walks through `text`: what stands between tokens goes to `on_text` if it is
  // not empty, tokens go to `on_token`. An error of either ends it.
  absl::Status Split(absl::string_view text,
                     absl::FunctionRef<absl::Status(absl::string_view)> on_text,
                     absl::FunctionRef<absl::Status(int32_t)> on_token) const;

 private:
  static constexpr int32_t kNoToken = -1;

  // The longest token at the front of `text`; 0 bytes if there is none.
  size_t Longest(absl::string_view text, int32_t* token) const;

  // Node 0 is the root.
  absl::flat_hash_map<uint64_t, uint32_t> next_;  // (node << 8 | byte)
  std::vector<int32_t> tokens_ = {kNoToken};      // that end at a node
  std::array<bool, 256> begins_{};
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_TOKEN_TRIE_H_
