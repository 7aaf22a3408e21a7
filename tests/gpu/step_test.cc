// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Training steps of two ranks on the emulated GPU, while it looks for races and
// while it runs threads and streams in unlikely orders: nothing is found, and
// nothing changes a bit. And GPUs that the emulated one is not.
#include <map>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/gpu/training_command.h"

namespace switchyard::testing {
namespace {

struct Case {
  const char* name;
  const char* flags;
};

constexpr Case kCases[] = {
    {"Dropless", "--capacity_factor 0 --overlap_chunks 4"},
    {"Capacity", "--capacity_factor 1.25 --overlap_chunks 4"},
    {"DroplessBFloat16", "--capacity_factor 0 --dtype bf16"},
    {"CapacityBFloat16", "--capacity_factor 1.25 --dtype bf16"},
};

struct Mode {
  const char* name;
  const char* environment;
};

constexpr Mode kModes[] = {
#ifdef SWITCHYARD_RACE_CHECKS  // not with a sanitizer's
    {"UnderTheRaceChecker", "SWITCHYARD_EMULATION_RACES=1"},
#endif
    {"SkewedThreads", "SWITCHYARD_EMULATION_ORDER=skew"},
    {"DelayedStreams", "SWITCHYARD_EMULATION_STREAMS=threads"},
};

TrainingCommand& Command() {
  static TrainingCommand command;
  return command;
}

TrainingResult MustRun(const Case& it, const std::string& environment) {
  TrainingResult result = Command().Run(
      {.ranks = 2,
       .steps = 2,
       .batch = "--global_batch 4 --micro_batch 1 --seq_len 33",
       .flags = absl::StrCat("--device cuda --transport nccl ", it.flags),
       .environment = environment});
  EXPECT_EQ(result.exit_code, 0) << environment << " " << it.flags << "\n"
                                 << result.errors;
  EXPECT_EQ(result.losses.size(), 2u);
  return result;
}

// The run in the plain order, made once.
const TrainingResult& PlainRun(const Case& it) {
  static std::map<std::string, TrainingResult> known;
  auto found = known.find(it.name);
  if (found == known.end()) {
    found = known.emplace(it.name, MustRun(it, "")).first;
  }
  return found->second;
}

class GpuStepTest : public ::testing::TestWithParam<std::tuple<Case, Mode>> {};

TEST_P(GpuStepTest, HasTheSameBits) {
  const auto& [it, mode] = GetParam();
  const TrainingResult& expected = PlainRun(it);
  const TrainingResult actual = MustRun(it, mode.environment);
  EXPECT_EQ(actual.losses, expected.losses);
  EXPECT_EQ(actual.norms, expected.norms);
  EXPECT_EQ(actual.checksum, expected.checksum);
}

INSTANTIATE_TEST_SUITE_P(Runs, GpuStepTest,
                         ::testing::Combine(::testing::ValuesIn(kCases),
                                            ::testing::ValuesIn(kModes)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param).name,
                                               std::get<1>(info.param).name);
                         });

// As some GPUs have for long heads; here for the shortest.
TEST(GpuStep, TooLittleSharedMemoryForAHeadIsASentence) {
  const TrainingResult result =
      Command().Run({.steps = 1,
                     .flags = "--device cuda",
                     .environment = "SWITCHYARD_EMULATION_SHARED=10000"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(
      result.errors,
      ::testing::ContainsRegex(
          "expected shared memory of [0-9]+ bytes a block for a head_dim of "
          "32, found 10000 on this GPU; use --device cpu or a model with "
          "smaller heads"));
}

}  // namespace
}  // namespace switchyard::testing
