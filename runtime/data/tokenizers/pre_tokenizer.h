// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How text becomes words before byte-pair encoding: the `pre_tokenizer` of
// tokenizer.json, a list of steps each of which cuts the pieces of the one
// before.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_PRE_TOKENIZER_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_PRE_TOKENIZER_H_

#include <optional>
#include <utility>
#include <vector>

#include "switchyard/runtime/data/tokenizers/split_pattern.h"

namespace switchyard {

class PreTokenizer {
 public:
  struct Step {
    // Puts a space before a piece that begins with none.
    bool add_prefix_space = false;
    std::optional<SplitPattern> pattern;
  };

  explicit PreTokenizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  // The words of `text`, which is UTF-8 and not empty. They live as long as the
  // sink's call.
  absl::Status Split(absl::string_view text, PieceSink sink) const {
    return Split(0, text, sink);
  }

 private:
  absl::Status Split(size_t step, absl::string_view text, PieceSink sink) const;

  std::vector<Step> steps_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_PRE_TOKENIZER_H_
