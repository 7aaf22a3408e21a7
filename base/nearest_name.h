// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// For messages about names that are not known.
#ifndef SWITCHYARD_BASE_NEAREST_NAME_H_
#define SWITCHYARD_BASE_NEAREST_NAME_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace switchyard {

// The name with the least edit distance (insertions, deletions, substitutions)
// to `name`; of several, the first. Empty if none is near: all are more than
// two edits and half of the name's length away, or share no letter with it.
absl::string_view NearestName(absl::string_view name,
                              const std::vector<absl::string_view>& known);

// A name or value from outside, fit for one line of a message: control
// characters escaped, cut after 60 characters.
std::string Printable(absl::string_view text);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_NEAREST_NAME_H_
