// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Unicode's normalization form C (UAX 15): what is canonically equivalent
// becomes one string, composed. Tables are those of utf8proc.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_NORMAL_FORM_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_NORMAL_FORM_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard {

// The form C of text that is UTF-8: `text` itself if it is that already, else
// what is then in `buffer`. An error if thousands of marks stand in a row.
absl::StatusOr<absl::string_view> NormalFormC(absl::string_view text,
                                              std::string* buffer);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_NORMAL_FORM_H_
