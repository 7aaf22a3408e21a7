// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/pre_tokenizer.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace switchyard {

absl::Status PreTokenizer::Split(size_t step, absl::string_view text,
                                 PieceSink sink) const {
  if (step == steps_.size()) return sink(text);
  std::string with_space;
  if (steps_[step].add_prefix_space && text[0] != ' ') {
    with_space = absl::StrCat(" ", text);
    text = with_space;
  }
  if (!steps_[step].pattern.has_value()) return Split(step + 1, text, sink);
  if (step + 1 == steps_.size()) return steps_[step].pattern->Split(text, sink);
  return steps_[step].pattern->Split(text, [&](absl::string_view piece) {
    return Split(step + 1, piece, sink);
  });
}

}  // namespace switchyard
