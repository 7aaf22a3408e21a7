// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The real command with one thing wrong.
#ifndef SWITCHYARD_TESTS_FAILURE_BAD_INPUT_H_
#define SWITCHYARD_TESTS_FAILURE_BAD_INPUT_H_

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {

inline constexpr char kModels[] = SWITCHYARD_SOURCE_DIR "/examples/models/";
inline constexpr char kMpirun[] = SWITCHYARD_SOURCE_DIR "/launch/mpirun.sh";

// Startup of a process or of mpirun on a busy machine, not of a training run.
inline constexpr double kSeconds = 30.0;

class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() {
    std::filesystem::create_directory(out_parent_);
    inputs_.Write("text.txt", std::string(20000, 'a'));
    tiny_ =
        ReadFile(std::string(kModels) + "tiny/config.json", 1 << 20).value();
  }

  // Arguments of a run that would work, but for those that are given again.
  std::string Arguments(
      const std::vector<std::pair<std::string, std::string>>& changed) {
    std::vector<std::pair<std::string, std::string>> arguments = {
        {"--model", std::string(kModels) + "tiny"},
        {"--data", inputs_.path() / "text.txt"},
        {"--out", out_parent_ / "run"},
        {"--steps", "2"},
        {"--seq_len", "32"},
        {"--global_batch", "4"}};
    for (const auto& [name, value] : changed) {
      bool found = false;
      for (auto& argument : arguments) {
        if (argument.first != name) continue;
        argument.second = value;
        found = true;
      }
      if (!found) arguments.push_back({name, value});
    }
    std::string line;
    for (const auto& [name, value] : arguments) {
      absl::StrAppend(&line, " ", name, "=", testing::Quoted(value));
    }
    return line;
  }

  testing::CommandResult Run(const std::string& arguments) {
    return testing::RunCommand(
        absl::StrCat(SWITCHYARD_COMMAND, " train", arguments), inputs_.path());
  }

  // On two ranks, each of which leaves its exit code in a file. The shell in
  // between always succeeds, so mpirun does not cut any of them short.
  testing::CommandResult RunOnTwoRanks(const std::string& arguments) {
    const std::string rank =
        absl::StrCat(SWITCHYARD_COMMAND, " train", arguments,
                     "; echo $? > code.$OMPI_COMM_WORLD_RANK");
    return testing::RunCommand(
        absl::StrCat(kMpirun, " -n 2 sh -c ", testing::Quoted(rank)),
        inputs_.path());
  }

  std::string CodeOf(int rank) {
    const auto code =
        ReadFile(inputs_.path() / absl::StrCat("code.", rank), 100);
    return code.ok() ? *code : "none";
  }

  void ExpectOneSentence(const testing::CommandResult& result,
                         const std::string& part) {
    const std::vector<std::string> lines = result.ErrorLines();
    ASSERT_EQ(lines.size(), 1u) << result.err;
    EXPECT_THAT(lines[0],
                ::testing::AllOf(::testing::StartsWith("switchyard: "),
                                 ::testing::HasSubstr("expected "),
                                 ::testing::HasSubstr(part)));
    EXPECT_EQ(result.out, "");
    EXPECT_LT(result.seconds, kSeconds);
    EXPECT_TRUE(std::filesystem::is_empty(out_parent_)) << part;
  }

  void ExpectRefused(
      const std::vector<std::pair<std::string, std::string>>& changed,
      const std::string& part) {
    const testing::CommandResult result = Run(Arguments(changed));
    EXPECT_EQ(result.exit_code, 1) << part;
    ExpectOneSentence(result, part);
  }

  void ExpectRefusedByTwoRanks(const std::string& arguments,
                               const std::string& part) {
    const testing::CommandResult result = RunOnTwoRanks(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    ExpectOneSentence(result, part);
    EXPECT_EQ(CodeOf(0), "1\n");
    EXPECT_EQ(CodeOf(1), "1\n");
  }

  // The tiny config with one value replaced.
  std::string Model(const std::string& key, const std::string& value) {
    std::string text = tiny_;
    const std::string quoted = absl::StrCat("\"", key, "\": ");
    const size_t begin = text.find(quoted);
    if (begin == std::string::npos) {
      text.insert(1, absl::StrCat(quoted, value, ","));
    } else {
      text.replace(begin, text.find_first_of(",\n", begin) - begin,
                   absl::StrCat(quoted, value));
    }
    return inputs_.Write(absl::StrCat(key, ".json"), text);
  }

  const testing::TemporaryFolder inputs_;
  const testing::TemporaryFolder outputs_;
  const std::filesystem::path out_parent_ = outputs_.path() / "runs";
  std::string tiny_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_TESTS_FAILURE_BAD_INPUT_H_
