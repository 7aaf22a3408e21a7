// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/command_run.h"

#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

std::vector<std::string> CommandResult::ErrorLines() const {
  return absl::StrSplit(err, '\n', absl::SkipEmpty());
}

CommandResult RunCommand(const std::string& command, const std::string& folder,
                         int timeout) {
  const TemporaryFolder logs;
  const std::string out = logs.path() / "out", err = logs.path() / "err";
  const std::string line = absl::StrCat(
      "cd ", Quoted(folder), " && timeout -k 5 ", timeout, " sh -c ",
      Quoted(command), " >", Quoted(out), " 2>", Quoted(err), " </dev/null");
  CommandResult result;
  const auto start = std::chrono::steady_clock::now();
  const int status = std::system(line.c_str());
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  result.exit_code =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = ContentOf(out);
  result.err = ContentOf(err);
  return result;
}

std::string Quoted(const std::string& word) {
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

}  // namespace switchyard::testing
