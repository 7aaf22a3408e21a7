// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What MPI's circumstances make impossible is refused with a sentence.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::comm {
namespace {

using ::testing::ContainsRegex;
using ::testing::StartsWith;

// `variables` as the shell sets them for one command.
testing::CommandResult RunProgram(const std::string& mode,
                                  const std::string& variables = "") {
  const testing::TemporaryFolder folder;
  return testing::RunCommand(variables + " " +
                                 testing::Quoted(SWITCHYARD_REFUSAL_PROGRAM) +
                                 " " + mode,
                             folder.path());
}

void ExpectRefusal(const testing::CommandResult& result,
                   const std::string& sentence) {
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.out, StartsWith("FAILED_PRECONDITION: "));
  EXPECT_THAT(result.out, ContainsRegex(sentence));
}

TEST(MpiRefusalTest, NothingIsRefusedWithoutReason) {
  const testing::CommandResult result = RunProgram("none");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "OK\n");
}

TEST(MpiRefusalTest, AHostWithTooLowAThreadLevel) {
  ExpectRefusal(RunProgram("single"), "MPI_THREAD_SINGLE");
}

TEST(MpiRefusalTest, AHostThatIsDoneWithMpi) {
  ExpectRefusal(RunProgram("finalized"), "MPI was finalised");
}

TEST(MpiRefusalTest, ALauncherOfAnotherMpi) {
  ExpectRefusal(RunProgram("foreign", "PMI_SIZE=2 PMI_RANK=0"),
                "PMI_SIZE.*sees one rank");
}

TEST(MpiRefusalTest, SrunWithoutMpiSupport) {
  ExpectRefusal(RunProgram("srun", "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4"),
                "srun started 4 tasks without MPI support");
}

}  // namespace
}  // namespace switchyard::comm
