// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Training steps of two ranks on the emulated GPU, while it looks for races and
// while it runs threads and streams in unlikely orders: nothing is found, and
// nothing changes a bit.
#include <map>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
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

TrainingResult MustRun(const Case& it, const std::string& environment) {
  static TrainingCommand command;
  TrainingResult result = command.Run(
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

}  // namespace
}  // namespace switchyard::testing
