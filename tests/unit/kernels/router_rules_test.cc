// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Every combination of what RouterRule, bias and noise can say: who is chosen,
// and with which gates.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/unit/kernels/router_cases.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;

TEST(RouterRulesTest, EveryRuleAgreesWithDoubles) {
  AnyDevice device;
  ForEveryRule({0, 1, 2, 3}, [&](const RouterProblem& in) {
    const RouterDecision expected = RouterOracle(in);
    const RouterDecision actual = Route(device, in, Layout::Strided(3, 1));
    // exp within 2 ulp (2^-22), a sum of `experts` terms, a division or two.
    const double tolerance = (static_cast<double>(in.experts) + 10) * 0x1p-24;
    EXPECT_TRUE(
        AllNear(actual.probabilities, expected.probabilities, 0, 2 * tolerance))
        << NameOf(in);
    EXPECT_TRUE(AllEqual(actual.experts, expected.experts)) << NameOf(in);
    EXPECT_TRUE(AllNear(actual.gates, expected.gates, 0, 3 * tolerance))
        << NameOf(in);
    // log within 4 ulp and one addition, of numbers below 8.
    EXPECT_TRUE(AllNear(actual.logsumexp, expected.logsumexp,
                        tolerance + 5 * 0x1p-21, 0))
        << NameOf(in);
  });
}

TEST(RouterRulesTest, SigmoidGatesOfEqualLogits) {
  AnyDevice device;
  RouterRule rule;
  rule.scoring = RouterScoring::kSigmoid;
  rule.scaling = 2.5f;
  RouterProblem in = {8, 2, rule, Values(8, 0.0), {}, {}};
  EXPECT_TRUE(AllEqual(Route(device, in).gates, {1.25, 1.25}));
  EXPECT_TRUE(AllEqual(Route(device, in).probabilities, Values(8, 0.125)));
  in.rule.gates = GateNormalization::kNone;
  EXPECT_TRUE(AllEqual(Route(device, in).gates, {1.25, 1.25}));
  in.k = 1;
  in.rule.gates = GateNormalization::kSum;  // never of a single gate
  EXPECT_TRUE(AllEqual(Route(device, in).gates, {1.25}));
}

TEST(RouterRulesTest, BiasAndNoiseDecideWhoIsChosenAndNeverTheGates) {
  AnyDevice device;
  for (const RouterScoring scoring :
       {RouterScoring::kSoftmax, RouterScoring::kSigmoid}) {
    RouterRule rule;
    rule.scoring = scoring;
    RouterProblem in = {4, 2, rule, {2, 1, 0, -1}, {}, {}};
    const RouterDecision plain = Route(device, in);
    EXPECT_TRUE(AllEqual(plain.experts, {0, 1}));
    in.bias = {0, 0, 0, 5};
    const RouterDecision biased = Route(device, in);
    EXPECT_TRUE(AllEqual(biased.experts, {3, 0}));
    in.bias = {};
    in.noise = {0, 0, 0, 9};
    const RouterDecision noisy = Route(device, in);
    EXPECT_TRUE(AllEqual(noisy.experts, {3, 0}));
    EXPECT_EQ(noisy.gates, biased.gates);
    EXPECT_EQ(biased.probabilities, plain.probabilities);
    EXPECT_EQ(noisy.probabilities, plain.probabilities);
    EXPECT_EQ(noisy.logsumexp, plain.logsumexp);
    // The gates are those of experts 3 and 0 without either.
    const double s3 = plain.probabilities[3], s0 = plain.probabilities[0];
    EXPECT_TRUE(
        AllNear(biased.gates, {s3 / (s3 + s0), s0 / (s3 + s0)}, 0, 1e-6));
  }
}

TEST(RouterRulesTest, GroupsAreScoredByTheirBestOrTheirTwoBest) {
  AnyDevice device;
  RouterRule rule;
  rule.scoring = RouterScoring::kSigmoid;
  rule.groups = 3;
  // The best expert is in group 1, the two best together in group 2.
  RouterProblem in = {6, 1, rule, {0, 0, 4, -9, 3, 2}, {}, {}};
  EXPECT_TRUE(AllEqual(Route(device, in).experts, {2}));
  in.rule.group_score = GroupScore::kSumOfTwo;
  EXPECT_TRUE(AllEqual(Route(device, in).experts, {4}));
  // Two groups: the best expert is in one of them again, or not.
  in.rule.groups_per_token = 2;
  EXPECT_TRUE(AllEqual(Route(device, in).experts, {4}));
  in.rule.group_score = GroupScore::kMax;
  in.k = 3;
  EXPECT_TRUE(AllEqual(Route(device, in).experts, {2, 4, 5}));
}

TEST(RouterRulesTest, TiesGoToTheLowerGroupAndTheLowerExpert) {
  AnyDevice device;
  for (const GroupScore score : {GroupScore::kMax, GroupScore::kSumOfTwo}) {
    for (const RouterScoring scoring :
         {RouterScoring::kSoftmax, RouterScoring::kSigmoid}) {
      const RouterRule rule = {scoring, GateNormalization::kSum, 1, 4, 2,
                               score};
      RouterProblem in = {20, 7, rule, Values(20, 0.5), {}, {}};
      EXPECT_TRUE(AllEqual(Route(device, in).experts, {0, 1, 2, 3, 4, 5, 6}));
      // Groups 1 and 3 tie above the others; their experts tie as well.
      for (const int expert : {6, 8, 15, 19}) in.logits[expert] = 1;
      EXPECT_TRUE(AllEqual(Route(device, in).experts, {6, 8, 15, 19, 5, 7, 9}));
      // A third one ties with them: the lower two are taken.
      for (const int expert : {10, 11}) in.logits[expert] = 1;
      EXPECT_TRUE(AllEqual(Route(device, in).experts, {6, 8, 10, 11, 5, 7, 9}));
    }
  }
}

TEST(RouterRulesTest, NaNStillGivesDistinctExperts) {
  AnyDevice device;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  ForEveryRule({0, 3}, [&](RouterProblem in) {
    std::fill_n(in.logits.begin(), in.experts, nan);
    in.logits[in.experts + 2] = nan;
    if (!in.bias.empty()) in.bias[1] = nan;
    if (!in.noise.empty()) in.noise[2 * in.experts] = nan;
    const RouterDecision result = Route(device, in);
    for (int64_t t = 0; t < in.tokens(); ++t) {
      const Values row = RowOf(result.experts, t, in.k);
      const std::set<double> distinct(row.begin(), row.end());
      ASSERT_EQ(distinct.size(), row.size()) << NameOf(in);
      EXPECT_GE(*distinct.begin(), 0) << NameOf(in);
      EXPECT_LT(*distinct.rbegin(), in.experts) << NameOf(in);
    }
    EXPECT_TRUE(std::isnan(result.gates[0])) << NameOf(in);
    EXPECT_TRUE(std::isnan(result.logsumexp[1])) << NameOf(in);
  });
}

TEST(RouterRulesDeathTest, AContradictionIsABug) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto route = [&](int64_t experts, int64_t k, const RouterRule& rule) {
    Route(device, {experts, k, rule, Values(experts), {}, {}});
  };
  const auto grouped = [](int64_t groups, int64_t per_token) {
    RouterRule rule;
    rule.groups = groups;
    rule.groups_per_token = per_token;
    return rule;
  };
  EXPECT_DEATH(route(8, 2, grouped(3, 1)), "1 of 3 groups of 8 experts");
  EXPECT_DEATH(route(8, 2, grouped(4, 5)), "5 of 4 groups");
  EXPECT_DEATH(route(8, 3, grouped(4, 1)), "3 experts from 1 groups of 2");
  RouterRule rule = grouped(8, 2);
  rule.group_score = GroupScore::kSumOfTwo;
  EXPECT_DEATH(route(8, 2, rule), "no two best");
  rule = {};
  rule.gates = GateNormalization::kSoftmax;
  EXPECT_DEATH(route(8, 1, rule), "two choices");
  rule.scoring = RouterScoring::kSigmoid;
  EXPECT_DEATH(route(8, 2, rule), "softmax scoring");
}

}  // namespace
}  // namespace switchyard::kernels
