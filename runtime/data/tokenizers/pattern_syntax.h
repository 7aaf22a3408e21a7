// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions of tokenizer.json are Oniguruma's; PCRE2 runs them here.
// This is the part that means the same in both, written for PCRE2.
//
// Kept: characters, escaped punctuation, \r \n \t \f, classes, \s \S \d \D,
// \p{..} \P{..}, groups (?: (?i: (?= (?! (?<= (?<! (?>, alternatives, greedy,
// lazy and possessive quantifiers. Rewritten: \s is Unicode's White_Space (in
// PCRE2 it has U+180E too), scripts are asked for as such (a bare name would
// include extensions). All else is refused by name.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_PATTERN_SYNTAX_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_PATTERN_SYNTAX_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard {

// `pattern` is UTF-8.
absl::StatusOr<std::string> PatternForPcre2(absl::string_view pattern);

// A pattern that finds exactly `text`.
std::string PatternOfText(absl::string_view text);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_PATTERN_SYNTAX_H_
