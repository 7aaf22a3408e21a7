// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs a command line as a user would and keeps what it said.
#ifndef SWITCHYARD_TESTS_SUPPORT_COMMAND_RUN_H_
#define SWITCHYARD_TESTS_SUPPORT_COMMAND_RUN_H_

#include <string>
#include <vector>

namespace switchyard::testing {

struct CommandResult {
  int exit_code = -1;  // 128 + n if signal n ended it
  std::string out;
  std::string err;
  double seconds = 0.0;

  // Lines of `err`, without empty ones.
  std::vector<std::string> ErrorLines() const;
};

// `command` is for the shell. It runs in `folder` and is killed after `timeout`
// seconds (exit code 124 or 137).
CommandResult RunCommand(const std::string& command, const std::string& folder,
                         int timeout = 60);

// A word as the shell reads it back.
std::string Quoted(const std::string& word);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_COMMAND_RUN_H_
