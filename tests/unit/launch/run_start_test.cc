// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/run_start.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/weights_writer.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

RunRecord Record() {
  RunRecord run;
  run.version = "1";
  run.model = "{}";
  run.flags = {{"lr", "0.1"},      {"schedule", "cosine"}, {"steps", "100"},
               {"log_every", "1"}, {"threads", "2"},       {"out", "a"},
               {"seed", "0"}};
  run.data_tokens = 1000;
  run.data_identity = 7;
  run.instruction_set = "avx2";
  run.ranks = 1;
  run.expert_parallel = 1;
  return run;
}

std::string Refusal(const RunRecord& now) {
  std::vector<std::string> notes;
  return std::string(CompareRuns(Record(), now, &notes).message());
}

TEST(CompareRunsTest, TheSameIsTheSame) {
  std::vector<std::string> notes;
  EXPECT_TRUE(CompareRuns(Record(), Record(), &notes).ok());
  EXPECT_THAT(notes, IsEmpty());
}

TEST(CompareRunsTest, WhatChangesNothingIsNamed) {
  RunRecord now = Record();
  now.flags["log_every"] = "10";
  now.flags["threads"] = "";
  now.flags["out"] = "b";
  now.ranks = 4;
  now.instruction_set = "avx512";
  std::vector<std::string> notes;
  EXPECT_TRUE(CompareRuns(Record(), now, &notes).ok());
  EXPECT_THAT(notes, ElementsAre("--log_every is 10 and was 1",
                                 "--threads is none and was 2",
                                 "the instruction set is avx512 and was avx2",
                                 "the number of ranks is 4 and was 1"));
}

TEST(CompareRunsTest, WhatWouldChangeThePastIsRefused) {
  for (const char* flag : {"lr", "schedule", "seed", "a_flag_of_tomorrow"}) {
    RunRecord now = Record();
    now.flags[flag] = "constant";
    EXPECT_THAT(Refusal(now), HasSubstr(std::string("expected --") + flag));
  }
  RunRecord now = Record();
  now.model = "{ }";
  EXPECT_THAT(Refusal(now), HasSubstr("the model of the run"));
  now = Record();
  now.data_tokens = 999;
  EXPECT_THAT(Refusal(now), HasSubstr("1000 tokens, found 999 tokens"));
  now = Record();
  now.data_identity = 8;
  EXPECT_THAT(Refusal(now), HasSubstr("as many that are others"));
}

TEST(CompareRunsTest, AnotherLengthNeedsAConstantRate) {
  RunRecord saved = Record(), now = Record();
  now.flags["steps"] = "200";
  EXPECT_THAT(Refusal(now), HasSubstr("the rates of --schedule cosine"));
  saved.flags["schedule"] = now.flags["schedule"] = "constant";
  std::vector<std::string> notes;
  EXPECT_TRUE(CompareRuns(saved, now, &notes).ok());
  EXPECT_THAT(notes, ElementsAre("--steps is 200 and was 100"));
}

TEST(CompareRunsTest, AnotherArithmeticIsSaid) {
  EXPECT_EQ(NoteOnArithmetic(Record(), 0), "");
  EXPECT_THAT(NoteOnArithmetic(Record(), 1), HasSubstr("to rounding"));
}

class FindStartTest : public ::testing::Test {
 protected:
  std::string Weights(const std::string& name) {
    const std::string path = folder_.path() / name;
    auto writer = WeightsWriter::Create(path, {{"a", DType::kFloat32, {1}}});
    EXPECT_TRUE(writer.ok()) << writer.status();
    const float value = 1;
    EXPECT_TRUE((*writer)->Append(&value, 1).ok());
    EXPECT_TRUE((*writer)->Finish({}).ok());
    return path;
  }
  absl::StatusOr<RunStart> Find(const TrainFlags& flags) {
    const auto world = comm::NewSelfCommunicator();
    return FindStart(flags, *world);
  }

  testing::TemporaryFolder folder_;
};

TEST_F(FindStartTest, AutoIsTheNewestElseInitFromElseNothing) {
  TrainFlags flags;
  flags.out = folder_.path() / "run";
  flags.resume = kResumeAuto;
  auto start = Find(flags);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_FALSE(start->checkpoint.has_value());
  EXPECT_TRUE(ContinuesInPlace(flags, *start));

  flags.init_from = Weights("weights");
  start = Find(flags);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_FALSE(start->resumes);
  EXPECT_EQ(start->checkpoint->path(), flags.init_from);
  EXPECT_EQ(start->step(), 0);

  Weights("run/checkpoints/" + CheckpointName(9));
  Weights("run/checkpoints/" + CheckpointName(10));
  start = Find(flags);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(start->resumes);
  EXPECT_THAT(start->checkpoint->path(), HasSubstr("step-00000010"));
}

TEST_F(FindStartTest, APathMustBeThere) {
  TrainFlags flags;
  flags.out = folder_.path() / "run";
  flags.resume = folder_.path() / "nothing";
  EXPECT_THAT(std::string(Find(flags).status().message()),
              HasSubstr("found no folder"));
  // Elsewhere, a run begins in a folder of its own.
  flags.resume = Weights("other/checkpoints/" + CheckpointName(3));
  auto start = Find(flags);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_FALSE(ContinuesInPlace(flags, *start));
  flags.out = folder_.path() / "other";
  EXPECT_TRUE(ContinuesInPlace(flags, *start));
}

}  // namespace
}  // namespace switchyard::launch
