// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The rules by which tokens choose experts keep the first promise: no bit of a
// run depends on the layout.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/routing_rules.h"

namespace switchyard::testing {
namespace {

RunRecord MustRun(const Layout& layout, const TrainOptions& options) {
  const absl::StatusOr<RunRecord> record = RunOn(layout, options);
  EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
  return record.ok() ? *record : RunRecord();
}

TEST(RouterRules, GiveTheSameBitsOnEveryLayout) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const RoutingRule& rule : RoutingRules()) {
      const TrainOptions options = RunOf(rule, dtype);
      const RunRecord expected = MustRun({1, 1, 1}, options);
      ASSERT_EQ(expected.losses.size(), static_cast<size_t>(options.steps));
      EXPECT_NE(expected.checksums.back(), expected.checksums.front());
      for (const Layout& layout : {Layout{1, 1, 2},
                                   {2, 2, 1},
                                   {3, 1, 1},
                                   {4, 2, 1},
                                   {4, 4, 1, /*guarded=*/true}}) {
        EXPECT_EQ(Difference(expected, MustRun(layout, options)), "")
            << rule.name << ", " << layout.ToString();
      }
    }
  }
}

TEST(RouterRules, RecomputationChangesNoBit) {
  for (const RoutingRule& rule : RoutingRules()) {
    TrainOptions options = RunOf(rule, DType::kFloat32);
    const RunRecord expected = MustRun({1, 1, 1}, options);
    options.recompute = Recompute::kBlock;
    EXPECT_EQ(Difference(expected, MustRun({2, 2, 1}, options)), "")
        << rule.name;
  }
}

TEST(RouterRules, EachIsAnotherRun) {
  const RunRecord plain =
      MustRun({1, 1, 1}, RunOf(RoutingRule(), DType::kFloat32));
  for (const RoutingRule& rule : RoutingRules()) {
    const RunRecord other = MustRun({1, 1, 1}, RunOf(rule, DType::kFloat32));
    EXPECT_NE(Difference(plain, other), "") << rule.name;
  }
}

// Selection biases that are not zero: without them other experts are chosen.
TEST(RouterRules, BiasesChoose) {
  TrainOptions options = RunOf(RoutingRules().front(), DType::kFloat32);
  ASSERT_TRUE(options.model.router.selection_bias);
  const RunRecord biased = MustRun({1, 1, 1}, options);
  options.model.router.selection_bias = false;
  const RunRecord unbiased = MustRun({1, 1, 1}, options);
  EXPECT_NE(biased.assigned.front(), unbiased.assigned.front());
}

}  // namespace
}  // namespace switchyard::testing
