// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/launcher.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::comm {
namespace {

using ::testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

EnvironmentLookup Lookup(const Variables& variables) {
  return [variables](const char* name) -> const char* {
    const auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second.c_str();
  };
}

const Variables kAlone = {{"HOME", "/root"}};
const Variables kOpenMpi = {{"OMPI_COMM_WORLD_SIZE", "4"},
                            {"OMPI_COMM_WORLD_RANK", "1"},
                            {"PMIX_RANK", "1"}};
const Variables kOpenMpiOne = {{"OMPI_COMM_WORLD_SIZE", "1"},
                               {"OMPI_COMM_WORLD_RANK", "0"},
                               {"PMIX_RANK", "0"}};
const Variables kMpich = {{"PMI_SIZE", "2"}, {"PMI_RANK", "0"}};
const Variables kSrunPmix = {
    {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"PMIX_RANK", "2"}};
const Variables kSrunPlain = {{"SLURM_STEP_ID", "0"},
                              {"SLURM_STEP_NUM_TASKS", "4"},
                              {"SLURM_PROCID", "3"}};
// In a batch script, before srun or mpirun.
const Variables kBatchScript = {
    {"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}};

TEST(LauncherTest, KnowsWhetherARankWasStarted) {
  EXPECT_FALSE(StartedByLauncher(Lookup(kAlone)));
  EXPECT_FALSE(StartedByLauncher(Lookup(kBatchScript)));
  EXPECT_TRUE(StartedByLauncher(Lookup(kOpenMpi)));
  EXPECT_TRUE(StartedByLauncher(Lookup(kOpenMpiOne)));
  EXPECT_TRUE(StartedByLauncher(Lookup(kMpich)));
  EXPECT_TRUE(StartedByLauncher(Lookup(kSrunPmix)));
  EXPECT_TRUE(StartedByLauncher(Lookup(kSrunPlain)));
}

TEST(LauncherTest, SrunWithoutMpiSupportIsRefusedBeforeMpiStarts) {
  const absl::Status status = CheckLauncher(Lookup(kSrunPlain));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("srun started 4 tasks"), HasSubstr("srun --mpi=pmix")));
  for (const Variables& fine :
       {kAlone, kBatchScript, kOpenMpi, kMpich, kSrunPmix}) {
    EXPECT_TRUE(CheckLauncher(Lookup(fine)).ok());
  }
}

TEST(LauncherTest, AWorldOfOneUnderALauncherOfSeveralIsRefused) {
  for (const Variables& foreign : {kMpich, kOpenMpi}) {
    const absl::Status status = CheckWorldSize(1, Lookup(foreign));
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("sees one rank"));
    EXPECT_TRUE(CheckWorldSize(4, Lookup(foreign)).ok());
  }
  EXPECT_FALSE(CheckWorldSize(1, Lookup(kSrunPmix)).ok());
  EXPECT_TRUE(CheckWorldSize(1, Lookup(kAlone)).ok());
  EXPECT_TRUE(CheckWorldSize(1, Lookup(kBatchScript)).ok());
  EXPECT_TRUE(CheckWorldSize(1, Lookup(kOpenMpiOne)).ok());
}

TEST(LauncherTest, NumbersThatAreNoneAreIgnored) {
  EXPECT_TRUE(CheckWorldSize(1, Lookup({{"PMI_SIZE", "many"}})).ok());
  EXPECT_TRUE(CheckWorldSize(1, Lookup({{"PMI_SIZE", ""}})).ok());
}

}  // namespace
}  // namespace switchyard::comm
