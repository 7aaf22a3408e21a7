// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Every way to treat overflow: the same bits in every layout, and what capacity
// promises of whole runs.
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

using Counts = std::vector<std::vector<int64_t>>;

int64_t Sum(const Counts& counts) {
  int64_t sum = 0;
  for (const std::vector<int64_t>& step : counts) {
    sum = std::accumulate(step.begin(), step.end(), sum);
  }
  return sum;
}

struct Way {
  const char* name;
  int64_t experts_per_token;
  const char* factor;
  OverflowOptions overflow;  // but for the factor
  DType dtype = DType::kFloat32;
};

OverflowOptions Overflow(DropPolicy policy, CapacityScope scope,
                         bool renormalize, int64_t experts) {
  OverflowOptions overflow;
  overflow.drop_policy = policy;
  overflow.capacity_scope = scope;
  overflow.renormalize_survivors = renormalize;
  overflow.no_token_left_behind = experts;
  return overflow;
}

constexpr auto kPosition = DropPolicy::kPosition;
constexpr auto kProbability = DropPolicy::kProbability;
constexpr auto kMicroBatch = CapacityScope::kMicroBatch;
constexpr auto kSequence = CapacityScope::kSequence;

// Every one also with another factor in evaluations.
std::vector<Way> Ways() {
  return {
      {"by_probability", 2, "0.8",
       Overflow(kProbability, kMicroBatch, false, 0)},
      {"of_sequences", 2, "0.8", Overflow(kPosition, kSequence, false, 0)},
      {"survivors", 2, "0.8", Overflow(kPosition, kMicroBatch, true, 0)},
      {"top_1_rerouted", 1, "0.8", Overflow(kPosition, kMicroBatch, false, 3)},
      {"all", 2, "0.7", Overflow(kProbability, kSequence, true, 4)},
      {"all_bf16", 2, "0.7", Overflow(kProbability, kSequence, true, 4),
       DType::kBFloat16},
  };
}

class OverflowTest : public ::testing::TestWithParam<Way> {
 protected:
  TrainOptions Options() const {
    TrainOptions options = SmallRun();
    options.steps = 6;
    options.dtype = GetParam().dtype;
    options.model.experts_per_token = GetParam().experts_per_token;
    options.overflow = GetParam().overflow;
    options.overflow.capacity_factor =
        *CapacityFactor::Parse(GetParam().factor);
    options.overflow.eval_capacity_factor = *CapacityFactor::Parse("1.1");
    return options;
  }

  static void SomePadding(Batch& batch) {
    for (int64_t s = 0; s < batch.sequences; ++s) {
      for (int64_t t = 20; t < batch.sequence_length; ++t) {
        const int64_t i = s * batch.sequence_length + t;
        if (batch.sequence_index[s] % 3 != 0) continue;
        batch.valid[i] = 0;
        batch.labels[i] = kNoLabel;
      }
    }
  }

  static RunRecord MustRun(const Layout& layout, const TrainOptions& options) {
    const absl::StatusOr<RunRecord> record =
        RunOn(layout, options, SomePadding);
    EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
    return record.ok() ? *record : RunRecord();
  }
};

TEST_P(OverflowTest, TheLayoutChangesNoBit) {
  const TrainOptions options = Options();
  const RunRecord expected = MustRun({1, 1, 1}, options);
  EXPECT_GT(Sum(expected.over_capacity), 0);
  EXPECT_EQ(Sum(expected.rerouted) > 0,
            options.overflow.no_token_left_behind > 0);
  for (const Layout& layout : {Layout{1, 1, 2},
                               {2, 2, 1},
                               {3, 1, 1},
                               {4, 2, 2},
                               {4, 4, 1},
                               {2, 2, 1, /*guarded=*/true}}) {
    EXPECT_EQ(Difference(expected, MustRun(layout, options)), "")
        << layout.ToString();
  }
}

TEST_P(OverflowTest, RecomputationChangesNoBit) {
  TrainOptions options = Options();
  const RunRecord expected = MustRun({1, 1, 1}, options);
  options.recompute = Recompute::kBlock;
  EXPECT_EQ(Difference(expected, MustRun({2, 2, 1}, options)), "");
}

TEST_P(OverflowTest, DropsAreWhatWasOverCapacityAndNotRerouted) {
  const RunRecord record = MustRun({2, 1, 1}, Options());
  for (size_t step = 0; step < record.dropped.size(); ++step) {
    int64_t dropped = 0;
    for (size_t i = 0; i < record.assigned[step].size(); ++i) {
      EXPECT_LE(record.over_capacity[step][i], record.assigned[step][i]);
      EXPECT_LE(record.rerouted[step][i], record.over_capacity[step][i]);
      dropped += record.over_capacity[step][i] - record.rerouted[step][i];
    }
    EXPECT_EQ(record.dropped[step], dropped);
  }
}

// With a factor of E / k an expert has room for all tokens of its scope.
TEST_P(OverflowTest, AFactorOfAtLeastTheExpertsDropsNothingAndIsDropless) {
  TrainOptions options = Options();
  options.overflow.capacity_factor =
      options.overflow.eval_capacity_factor.emplace(
          *CapacityFactor::Parse("8"));
  const RunRecord record = MustRun({2, 2, 1}, options);
  EXPECT_EQ(Sum(record.over_capacity), 0);
  EXPECT_EQ(Sum(record.lost_tokens), 0);
  options.overflow = OverflowOptions();
  EXPECT_EQ(Difference(MustRun({1, 1, 1}, options), record), "");
}

TEST_P(OverflowTest, AnEvaluationHasItsOwnCapacity) {
  TrainOptions options = Options();
  options.steps = 1;
  options.warmup_steps = 0;
  const RunRecord record = MustRun({1, 1, 1}, options);
  options.overflow.eval_capacity_factor.reset();
  const RunRecord other = MustRun({1, 1, 1}, options);
  EXPECT_EQ(record.checksums, other.checksums);
  EXPECT_NE(record.eval_loss, other.eval_loss);
}

INSTANTIATE_TEST_SUITE_P(Ways, OverflowTest, ::testing::ValuesIn(Ways()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace switchyard::testing
