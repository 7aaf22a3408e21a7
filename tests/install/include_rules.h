// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Who may include what.
#ifndef SWITCHYARD_TESTS_INSTALL_INCLUDE_RULES_H_
#define SWITCHYARD_TESTS_INSTALL_INCLUDE_RULES_H_

#include <string>
#include <vector>

namespace switchyard::testing {

// One sentence for each include of the file that breaks a rule. `path` is
// relative to the source folder, `text` the file's content.
std::vector<std::string> BrokenIncludeRules(const std::string& path,
                                            const std::string& text);

// Whether the first header that the text includes is `header`, relative to the
// source folder. A source file that starts with its own header proves that the
// header needs nothing before it.
bool IncludesFirst(const std::string& text, const std::string& header);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_INSTALL_INCLUDE_RULES_H_
