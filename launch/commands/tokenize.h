// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard tokenize`: files of text as one file of tokens.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_TOKENIZE_H_
#define SWITCHYARD_LAUNCH_COMMANDS_TOKENIZE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/runtime/data/data_format.h"

namespace switchyard::launch {

struct TokenizeFlags {
  std::string tokenizer;
  std::vector<std::string> data;
  std::string out;
  DataFormat format = DataFormat::kU16;
  bool append_eos = false;
  std::string eos_token;  // empty: the tokenizer's

  // What --help or --version asks for; if not empty, nothing else is set.
  std::string help;
};

absl::StatusOr<TokenizeFlags> ParseTokenizeFlags(
    absl::Span<const std::string> arguments);

// The command, with `arguments` after "tokenize": what it says when it is done,
// or one sentence that says why it is not.
absl::StatusOr<std::string> TokenizeFiles(
    absl::Span<const std::string> arguments);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_TOKENIZE_H_
