// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A regular expression that cuts text into its matches and what is between
// them: the `Split` with behavior `Isolated` of tokenizer.json.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SPLIT_PATTERN_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SPLIT_PATTERN_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard {

// Takes a piece of text.
using PieceSink = absl::FunctionRef<absl::Status(absl::string_view)>;

class SplitPattern {
 public:
  // `pattern` is for PCRE2 with UTF and UCP (pattern_syntax.h). An error if it
  // cannot be compiled or finds empty matches.
  static absl::StatusOr<SplitPattern> Compile(const std::string& pattern);
  ~SplitPattern();
  SplitPattern(SplitPattern&&) noexcept;
  SplitPattern& operator=(SplitPattern&&) noexcept;

  // Pieces of `text`, which is UTF-8, in order; none is empty. An error of the
  // sink ends it; so does a search that takes too many tries.
  absl::Status Split(absl::string_view text, PieceSink sink) const;

 private:
  struct Compiled;
  explicit SplitPattern(std::unique_ptr<Compiled> compiled);

  std::unique_ptr<Compiled> compiled_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_SPLIT_PATTERN_H_
