// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/prompt.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/open_tokenizer.h"

namespace switchyard::launch {

absl::StatusOr<std::vector<int32_t>> EncodePrompt(const std::string& text,
                                                  Tokenizer& tokenizer,
                                                  int64_t vocabulary) {
  constexpr int64_t kBytes = 256;
  if (tokenizer.name() == kByteTokenizer && vocabulary != kBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a vocabulary of 256, the bytes, for text without a "
        "--tokenizer, found a model of ",
        vocabulary, "; give its tokenizer, or token ids in --prompt_ids"));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckVocabulary(tokenizer, vocabulary));
  std::vector<int32_t> ids;
  SWITCHYARD_RETURN_IF_ERROR(tokenizer.Encode(text, &ids));
  return ids;
}

absl::StatusOr<std::vector<int32_t>> ParsePromptIds(const std::string& text) {
  std::vector<int32_t> result;
  if (text.empty()) return result;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(part, &id)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected token ids separated by commas for --prompt_ids, found '",
          Printable(text), "'; write them as 12,7,300"));
    }
    result.push_back(id);
  }
  return result;
}

absl::StatusOr<std::string> TokenPrinter::TextOf(int32_t token) {
  constexpr size_t kContext = 4;
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string before,
                              tokenizer_->Decode(context_));
  context_.push_back(token);
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string with,
                              tokenizer_->Decode(context_));
  if (context_.size() > kContext) context_.erase(context_.begin());
  if (absl::StartsWith(with, before)) return with.substr(before.size());
  return tokenizer_->Decode({&token, 1});
}

absl::StatusOr<std::string> TokenPrinter::Append(int32_t token) {
  if (tokenizer_ != nullptr) {
    SWITCHYARD_ASSIGN_OR_RETURN(const std::string text, TextOf(token));
    return characters_.Append(text);
  }
  const std::string text = absl::StrCat(first_ ? "" : " ", token);
  first_ = false;
  return text;
}

std::string TokenPrinter::Finish() {
  return absl::StrCat(tokenizer_ != nullptr ? characters_.Finish() : "", "\n");
}

}  // namespace switchyard::launch
