// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/prompt.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/nearest_name.h"

namespace switchyard::launch {

absl::StatusOr<std::vector<int32_t>> EncodePrompt(const std::string& text,
                                                  int64_t vocabulary) {
  constexpr int64_t kBytes = 256;
  if (vocabulary != kBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a vocabulary of 256, the bytes, for --prompt, found a model "
        "of ",
        vocabulary, "; give token ids in --prompt_ids"));
  }
  std::vector<int32_t> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

absl::StatusOr<std::vector<int32_t>> ParsePromptIds(
    const std::vector<std::string>& ids) {
  std::vector<int32_t> result;
  for (const std::string& text : ids) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(text, &id)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected token ids separated by commas for --prompt_ids, found '",
          Printable(text), "'; write them as 12,7,300"));
    }
    result.push_back(id);
  }
  return result;
}

std::string TokenPrinter::Append(int32_t token) {
  if (as_text_) {
    const char byte = static_cast<char>(token);
    return characters_.Append(absl::string_view(&byte, 1));
  }
  const std::string text = absl::StrCat(first_ ? "" : " ", token);
  first_ = false;
  return text;
}

std::string TokenPrinter::Finish() {
  return absl::StrCat(as_text_ ? characters_.Finish() : "", "\n");
}

}  // namespace switchyard::launch
