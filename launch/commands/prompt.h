// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Where text becomes tokens and tokens become text again.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_PROMPT_H_
#define SWITCHYARD_LAUNCH_COMMANDS_PROMPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/tokenizer.h"
#include "switchyard/runtime/generate/utf8_stream.h"

namespace switchyard::launch {

// The tokens of a text. An error if the tokenizer's are not the model's.
absl::StatusOr<std::vector<int32_t>> EncodePrompt(const std::string& text,
                                                  Tokenizer& tokenizer,
                                                  int64_t vocabulary);
// "12,7,300". An error if one of them is no number.
absl::StatusOr<std::vector<int32_t>> ParsePromptIds(const std::string& text);

// What tokens show, as they come.
class TokenPrinter {
 public:
  // With a tokenizer, whole characters; else ids, with a space between two.
  explicit TokenPrinter(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {}
  absl::StatusOr<std::string> Append(int32_t token);
  std::string Finish();

 private:
  // What the token adds to the text of those before it: it may depend on them.
  absl::StatusOr<std::string> TextOf(int32_t token);

  const Tokenizer* const tokenizer_;
  std::vector<int32_t> context_;  // the last tokens
  bool first_ = true;
  Utf8Stream characters_;
};

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_PROMPT_H_
