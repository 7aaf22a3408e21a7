// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Byte-level byte-pair encoding, as of GPT-2, Llama 3, Qwen and OLMo: added
// tokens are found in the text, what is between them is normalized, cut into
// words and encoded word by word. tokenizer_json.h makes one from a file.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BPE_TOKENIZER_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BPE_TOKENIZER_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "switchyard/runtime/data/tokenizer.h"
#include "switchyard/runtime/data/tokenizers/bpe_model.h"
#include "switchyard/runtime/data/tokenizers/pre_tokenizer.h"
#include "switchyard/runtime/data/tokenizers/token_trie.h"

namespace switchyard {

// By token: what it is.
struct TokenEntry {
  enum class Kind { kNone, kWord, kAdded, kSpecial };
  Kind kind = Kind::kNone;
  std::string bytes;
};

class BpeTokenizer : public Tokenizer {
 public:
  struct Parts {
    std::string name;
    std::vector<TokenEntry> entries;
    // Added tokens that are looked for before and after normalization.
    TokenTrie added;
    TokenTrie added_normalized;
    bool normal_form_c = false;
    PreTokenizer pre_tokenizer;
    BpeModel::Parts model;
    std::optional<int32_t> end_of_text;
  };
  explicit BpeTokenizer(Parts parts);

  const std::string& name() const override { return parts_.name; }
  int64_t vocabulary() const override {
    return static_cast<int64_t>(parts_.entries.size());
  }
  absl::Status Encode(absl::string_view text,
                      std::vector<int32_t>* tokens) override;
  bool MayCut(absl::string_view text, size_t at) const override;
  absl::StatusOr<std::string> Decode(
      absl::Span<const int32_t> tokens) const override;
  int64_t TextBytes(int32_t token) const override;
  std::optional<int32_t> Special(absl::string_view text) const override;
  std::optional<int32_t> end_of_text() const override {
    return parts_.end_of_text;
  }

 private:
  using TokenSink = absl::FunctionRef<absl::Status(int32_t)>;

  // Words and added tokens of `text`, which is UTF-8, in order.
  absl::Status Split(absl::string_view text, PieceSink on_word,
                     TokenSink on_added) const;
  // The same as one string, with no two lists alike.
  absl::StatusOr<std::string> ShownSplit(absl::string_view text) const;

  BpeModel model_;
  const Parts parts_;  // without the model
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BPE_TOKENIZER_H_
