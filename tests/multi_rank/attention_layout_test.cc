// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// No bit depends on the layout, whatever attention's options.
#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

TEST(AttentionLayoutTest, NormsBiasesAndAWindow) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    TrainOptions options = SmallRun();
    options.steps = 5;
    options.dtype = dtype;
    options.model.head_dim = 16;  // projections wider than the model
    const bool full = dtype == DType::kBFloat16;
    options.model.attention = {full ? QkNorm::kFull : QkNorm::kHead,
                               full ? AttentionBias::kQkv : AttentionBias::kAll,
                               /*window=*/7};
    const auto expected = RunOn({1, 1, 1}, options);
    ASSERT_TRUE(expected.ok()) << expected.status();
    EXPECT_NE(expected->checksums.front(), expected->checksums.back());
    for (const Layout& layout : {Layout{1, 1, 2},
                                 {1, 1, 1, /*guarded=*/true},
                                 {2, 2, 1},
                                 {3, 1, 1},
                                 {4, 2, 2}}) {
      const auto actual = RunOn(layout, options);
      ASSERT_TRUE(actual.ok()) << layout.ToString() << actual.status();
      EXPECT_EQ(Difference(*expected, *actual), "") << layout.ToString();
    }
    options.recompute = Recompute::kBlock;
    const auto again = RunOn({2, 1, 1}, options);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(Difference(*expected, *again), "") << "recomputed";
  }
}

}  // namespace
}  // namespace switchyard::testing
