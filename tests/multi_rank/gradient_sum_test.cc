// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Why gradients are summed as integers: what the layout test would see if they
// were not.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/one_rank_model.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

std::vector<Batch> FourMicroBatches(const TrainOptions& options) {
  SyntheticData data(options.model.vocabulary, options.seq_len,
                     options.global_batch);
  std::vector<Batch> batches(4);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(
        data.Fill(0, i * options.micro_batch, options.micro_batch, &batches[i])
            .ok());
  }
  return batches;
}

struct Sums {
  std::vector<int64_t> units;  // of the integer sum
  std::vector<float> values;   // of the sum in fp32
};

// The gradient of the head from each group of micro-batches, added in the
// order of groups: what ranks that hold these groups would do.
Sums SumGroups(const TrainOptions& options,
               const std::vector<std::vector<int64_t>>& groups) {
  OneRankModel model(options);
  const std::vector<Batch> batches = FourMicroBatches(options);
  const Parameter& head = *model.store().parameters().back();
  Sums total;
  total.units.assign(head.element_count(), 0);
  total.values.assign(head.element_count(), 0.0f);
  for (const std::vector<int64_t>& group : groups) {
    std::vector<float> of_group(head.element_count(), 0.0f);
    for (int64_t micro_batch : group) {
      EXPECT_TRUE(model.Train(batches, {&micro_batch, 1}).ok());
      const std::vector<int64_t> units = model.GradientUnits(head);
      for (size_t i = 0; i < units.size(); ++i) {
        total.units[i] += units[i];
        of_group[i] +=
            static_cast<float>(std::ldexp(static_cast<double>(units[i]), -44));
      }
    }
    for (size_t i = 0; i < of_group.size(); ++i) {
      total.values[i] += of_group[i];
    }
  }
  return total;
}

TEST(GradientSumTest, FloatSumsDependOnTheGroupingAndIntegerSumsDoNot) {
  SWITCHYARD_CPU_ONLY();
  const TrainOptions options = SmallRun();
  const Sums one_rank = SumGroups(options, {{0, 1, 2, 3}});
  const Sums two_ranks = SumGroups(options, {{0, 2}, {1, 3}});
  EXPECT_NE(one_rank.values, two_ranks.values)
      << "then the layout test could not tell integers from floats";
  EXPECT_EQ(one_rank.units, two_ranks.units);
}

}  // namespace
}  // namespace switchyard::testing
