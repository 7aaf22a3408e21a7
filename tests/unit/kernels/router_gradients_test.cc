// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Every combination of what RouterRule, bias and noise can say: gradients with
// the choice held fixed, and that both passes have the same bits on any number
// of threads.
#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/kernels/no_expert.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/unit/kernels/router_cases.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomValues;

// Invariant A1, the router.
TEST(RouterGradientsTest, EveryGradientIsTheDerivative) {
  AnyDevice device;
  ForEveryRule({0, 3}, [&](const RouterProblem& in) {
    const RouterDecision decision = RouterOracle(in);
    const RouterFlow flow = RandomFlow(in);
    const Values actual =
        RouteBackward(device, in, decision, flow, Layout::Strided(2, 1));
    // Sums of at most `experts` terms of magnitude 4 at most: scaling <= 2.5,
    // |dgates| <= 1, and 0.74 · logsumexp · p below 4.
    const double tolerance =
        (static_cast<double>(in.experts) + 16) * 4 * 0x1p-24 + 1e-8;
    EXPECT_TRUE(
        AllNear(actual, CentralDifferences(in, decision, flow), tolerance, 0))
        << NameOf(in);
  });
}

// Invariant A2.
TEST(RouterGradientsTest, SoftmaxTopKRenormalizedIsSoftmaxOverTheTopKLogits) {
  AnyDevice device;
  for (const int64_t experts : {5, 17, 64, 160}) {
    for (const int64_t k : {int64_t{2}, int64_t{3}, experts}) {
      RouterProblem in =
          RandomProblem({experts, k, {}, {}, {}, {}}, 50, false, false);
      const RouterFlow flow = RandomFlow(in);
      const RouterDecision over_all = Route(device, in);
      const Values gradient_over_all =
          RouteBackward(device, in, over_all, flow);
      in.rule.gates = GateNormalization::kSoftmax;
      const RouterDecision over_chosen = Route(device, in);
      EXPECT_EQ(over_chosen.experts, over_all.experts);
      EXPECT_EQ(over_chosen.probabilities, over_all.probabilities);
      EXPECT_TRUE(AllNear(over_chosen.gates, over_all.gates, 1e-6, 0));
      EXPECT_TRUE(AllNear(RouteBackward(device, in, over_chosen, flow),
                          gradient_over_all, 1e-6, 0));
    }
  }
}

// The slope of a sigmoid is e^-|x| of a logit far out, and not 0: relatively
// within the exponential's 2 ulp, three roundings of the sigmoid's and its
// complement's, and two products.
TEST(RouterGradientsTest, ASaturatedSigmoidStillLearns) {
  AnyDevice device(1);
  for (const double logit : {8.0, 15.0, 20.0, 40.0, -20.0}) {
    RouterProblem in;
    in.experts = 3;
    in.k = 1;
    in.rule.scoring = RouterScoring::kSigmoid;
    in.rule.gates = GateNormalization::kNone;
    in.logits = {logit, logit - 30, logit - 31};
    RouterFlow flow = {{1.0}, {1.0}, {0.0, 0.0, 0.0}};
    flow.z_gradient = 0.0;
    const Values dlogits = RouteBackward(device, in, Route(device, in), flow);
    const double e = std::exp(-std::fabs(logit));
    const double slope = e / ((1 + e) * (1 + e));
    EXPECT_NEAR(dlogits[0], slope, slope * 16 * 0x1p-24) << logit;
    EXPECT_EQ(dlogits[1], 0.0);
  }
}

TEST(RouterGradientsTest, ScoresThatVanishGiveFiniteGatesAndGradients) {
  AnyDevice device;
  RouterRule sigmoid;
  sigmoid.scoring = RouterScoring::kSigmoid;
  // All sigmoids are 0 in fp32; or a bias has chosen two whose p is 0.
  for (const RouterProblem& in :
       {RouterProblem{4, 2, sigmoid, Values(4, -200.0), {}, {}},
        RouterProblem{4, 2, {}, {0, 0, -200, -200}, {0, 0, 2, 2}, {}}}) {
    const RouterDecision decision = Route(device, in);
    EXPECT_TRUE(AllEqual(decision.gates, {0, 0}));
    const Values dlogits =
        RouteBackward(device, in, decision, {{1, -1}, {1}, {1, 0, 0, 0}, 0.0});
    for (const double value : dlogits) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(RouterGradientsTest, NoExpertIsAsIfTheChoiceWereNotThere) {
  AnyDevice device;
  for (const RouterRule& rule : Scorings(3)) {
    const RouterProblem two =
        RandomProblem({17, 2, rule, {}, {}, {}}, 3, false, false);
    const RouterFlow flow = RandomFlow(two);
    const RouterDecision decision = Route(device, two);
    RouterProblem three = two;
    three.k = 3;
    RouterDecision padded = decision;
    RouterFlow padded_flow = flow;
    // The middle one of three is none; what stands there means nothing.
    for (int64_t t = 2; t >= 0; --t) {
      const auto insert = [t](Values& values, double value) {
        values.insert(values.begin() + 2 * t + 1, value);
      };
      insert(padded.experts, kNoExpert);
      insert(padded.gates, std::numeric_limits<double>::quiet_NaN());
      insert(padded_flow.dgates, std::numeric_limits<double>::quiet_NaN());
    }
    EXPECT_EQ(RouteBackward(device, three, padded, padded_flow),
              RouteBackward(device, two, decision, flow))
        << NameOf(two);
  }
}

TEST(RouterGradientsTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  SWITCHYARD_CPU_ONLY();
  for (RouterRule rule : Scorings(3)) {
    rule.groups = 8;
    rule.groups_per_token = 3;
    rule.group_score = GroupScore::kSumOfTwo;
    RouterProblem in = {24,
                        3,
                        rule,
                        RandomValues(1, 24 * 1000, -2, 2),
                        RandomValues(2, 24),
                        RandomValues(3, 24 * 1000, -3, 3)};
    const RouterFlow flow = RandomFlow(in);
    GuardedDevice one(1);
    const RouterDecision decision = Route(one, in);
    const Values dlogits = RouteBackward(one, in, decision, flow);
    for (const int threads : {2, 3}) {
      CpuDevice device(threads);
      const RouterDecision other = Route(device, in);
      EXPECT_EQ(other.probabilities, decision.probabilities);
      EXPECT_EQ(other.logsumexp, decision.logsumexp);
      EXPECT_EQ(other.experts, decision.experts);
      EXPECT_EQ(other.gates, decision.gates);
      EXPECT_EQ(RouteBackward(device, in, other, flow), dlogits);
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels
