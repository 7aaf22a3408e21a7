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
#include "switchyard/runtime/generate/utf8_stream.h"

namespace switchyard::launch {

// The bytes of a text. An error if the model's vocabulary is not that of bytes.
absl::StatusOr<std::vector<int32_t>> EncodePrompt(const std::string& text,
                                                  int64_t vocabulary);
// "12,7,300". An error if one of them is no number.
absl::StatusOr<std::vector<int32_t>> ParsePromptIds(
    const std::vector<std::string>& ids);

// What tokens show, as they come.
class TokenPrinter {
 public:
  // `as_text`: whole characters; else ids, with a space between two.
  explicit TokenPrinter(bool as_text) : as_text_(as_text) {}
  std::string Append(int32_t token);
  std::string Finish();

 private:
  const bool as_text_;
  bool first_ = true;
  Utf8Stream characters_;
};

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_PROMPT_H_
