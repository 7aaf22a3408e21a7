// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/byte_tokenizer.h"

#include "absl/strings/str_cat.h"

namespace switchyard {

absl::Status ByteTokenizer::Encode(absl::string_view text,
                                   std::vector<int32_t>* tokens) {
  for (const char byte : text) tokens->push_back(static_cast<uint8_t>(byte));
  return absl::OkStatus();
}

absl::StatusOr<std::string> ByteTokenizer::Decode(
    absl::Span<const int32_t> tokens) const {
  std::string text;
  for (const int32_t token : tokens) {
    if (token < 0 || token > 255) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected bytes of 0 to 255, found the token ", token,
                       "; decode with the tokenizer that made it"));
    }
    text.push_back(static_cast<char>(token));
  }
  return text;
}

}  // namespace switchyard
