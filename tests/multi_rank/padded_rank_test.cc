// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A rank that gets nothing but padding while the others have tokens: it takes
// part in everything, and changes no bit.
#include <string>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

// Of the four micro-batches of SmallRun's steps the second and the fourth are
// padding: all that rank 1 of two gets, and ranks 1 and 3 of four.
void PadOddMicroBatches(Batch& batch) {
  for (int64_t s = 0; s < batch.sequences; ++s) {
    if (batch.sequence_index[s] / 2 % 2 == 0) continue;
    for (int64_t t = 0; t < batch.sequence_length; ++t) {
      batch.valid[s * batch.sequence_length + t] = 0;
      batch.labels[s * batch.sequence_length + t] = kNoLabel;
    }
    batch.sequence_index[s] = -1;
  }
}

RunRecord MustRun(const Layout& layout, const TrainOptions& options) {
  const absl::StatusOr<RunRecord> record =
      RunOn(layout, options, PadOddMicroBatches);
  EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
  return record.ok() ? *record : RunRecord();
}

class PaddedRankTest : public ::testing::TestWithParam<DType> {
 protected:
  static TrainOptions Options() {
    TrainOptions options = SmallRun();
    options.steps = 4;
    options.dtype = GetParam();
    return options;
  }

  static void ExpectTheSameOnAllLayouts(const TrainOptions& options) {
    const RunRecord expected = MustRun({1, 1, 1}, options);
    ASSERT_EQ(expected.tokens.size(), static_cast<size_t>(options.steps));
    EXPECT_EQ(expected.tokens[0], options.global_batch * options.seq_len / 2);
    EXPECT_GT(expected.norms[0], 0.0);
    for (const Layout& layout : {Layout{2, 2, 1},
                                 {2, 1, 2},
                                 {3, 1, 1},
                                 {4, 4, 1},
                                 {4, 2, 1},
                                 {2, 2, 1, /*guarded=*/true}}) {
      EXPECT_EQ(Difference(expected, MustRun(layout, options)), "")
          << layout.ToString();
    }
  }
};

TEST_P(PaddedRankTest, Dropless) { ExpectTheSameOnAllLayouts(Options()); }

TEST_P(PaddedRankTest, CapacityAndCountsOfTheGlobalBatch) {
  TrainOptions options = Options();
  options.overflow.capacity_factor = *CapacityFactor::Parse("1");
  options.overflow.drop_policy = DropPolicy::kProbability;
  options.overflow.no_token_left_behind = 4;
  options.balance.scope = BalanceScope::kGlobal;
  ExpectTheSameOnAllLayouts(options);
}

INSTANTIATE_TEST_SUITE_P(DTypes, PaddedRankTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

}  // namespace
}  // namespace switchyard::testing
