// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The command starts itself again once, so that OpenMP's threads spin for a
// short time; libgomp tells what it read each time that it is loaded.
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// With "NAME=value" of the environment that count here.
testing::CommandResult Version(const std::string& variables) {
  const testing::TemporaryFolder folder;
  return testing::RunCommand(
      absl::StrCat("env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT ", variables,
                   " OMP_DISPLAY_ENV=verbose " SWITCHYARD_COMMAND " --version"),
      folder.path());
}

int LoadsOf(const std::string& text) {
  constexpr char kBegin[] = "OPENMP DISPLAY ENVIRONMENT BEGIN";
  int count = 0;
  for (size_t at = text.find(kBegin); at != std::string::npos;
       at = text.find(kBegin, at + 1)) {
    ++count;
  }
  return count;
}

TEST(WaitPolicy, StartsOnceAgainWithAShortSpin) {
  if (std::thread::hardware_concurrency() < 2) {
    GTEST_SKIP() << "nobody waits on one core";
  }
  const testing::CommandResult result = Version("");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("switchyard"));
  if (LoadsOf(result.err) == 0) GTEST_SKIP() << "not libgomp: " << result.err;
  EXPECT_EQ(LoadsOf(result.err), 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("GOMP_SPINCOUNT = '10000'"));
}

TEST(WaitPolicy, LeavesWhatTheUserSet) {
  for (const char* set : {"OMP_WAIT_POLICY=passive", "GOMP_SPINCOUNT=77"}) {
    const testing::CommandResult result = Version(set);
    EXPECT_EQ(result.exit_code, 0) << set;
    EXPECT_LE(LoadsOf(result.err), 1) << set << "\n" << result.err;
    EXPECT_THAT(result.err, Not(HasSubstr("GOMP_SPINCOUNT = '10000'")));
  }
}

}  // namespace
}  // namespace switchyard::launch
