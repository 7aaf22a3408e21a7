// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/router.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/rounding.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::RoundTo;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

struct Size {
  int64_t tokens, experts, k;
};

const Size kSizes[] = {{0, 8, 2},     {1, 1, 1},    {33, 2, 2},
                       {31, 8, 2},    {32, 8, 8},   {65, 13, 3},
                       {1000, 64, 6}, {40, 256, 8}, {9, 1024, 33}};

// What the router decides for one set of logits.
struct Decision {
  Values probabilities, logsumexp, experts, gates;
};

bool Renormalizes(bool asked, int64_t k) { return asked && k >= 2; }

Decision Oracle(const Size& size, const Values& logits, bool renormalize) {
  Decision result;
  for (int64_t t = 0; t < size.tokens; ++t) {
    const double* row = &logits[t * size.experts];
    const double max = *std::max_element(row, row + size.experts);
    double sum = 0;
    for (int64_t e = 0; e < size.experts; ++e) sum += std::exp(row[e] - max);
    result.logsumexp.push_back(max + std::log(sum));
    std::vector<int64_t> order(size.experts);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return row[a] > row[b]; });
    for (int64_t e = 0; e < size.experts; ++e) {
      result.probabilities.push_back(std::exp(row[e] - max) / sum);
    }
    const double* p = &result.probabilities[t * size.experts];
    double chosen = 0;
    for (int64_t j = 0; j < size.k; ++j) chosen += p[order[j]];
    for (int64_t j = 0; j < size.k; ++j) {
      result.experts.push_back(static_cast<double>(order[j]));
      result.gates.push_back(
          p[order[j]] / (Renormalizes(renormalize, size.k) ? chosen : 1.0));
    }
  }
  return result;
}

RouterRule RuleOf(bool renormalize) {
  RouterRule rule;
  if (!renormalize) rule.gates = GateNormalization::kNone;
  return rule;
}

Decision Route(Device& device, const Size& size, const Values& logits,
               bool renormalize, Layout layout = {}) {
  const auto stream = device.NewStream();
  const Shape all = {size.tokens, size.experts}, chosen = {size.tokens, size.k};
  TestTensor logit_tensor(device, DType::kFloat32, all, logits, layout);
  TestTensor probabilities(device, DType::kFloat32, all, layout);
  TestTensor logsumexp(device, DType::kFloat32, {size.tokens});
  TestTensor experts(device, DType::kInt32, chosen, layout);
  TestTensor gates(device, DType::kFloat32, chosen, layout);
  Router(*stream, {.logits = logit_tensor,
                   .rule = RuleOf(renormalize),
                   .probabilities = probabilities,
                   .logsumexp = logsumexp,
                   .experts = experts,
                   .gates = gates});
  stream->Wait();
  return {probabilities.Read(), logsumexp.Read(), experts.Read(), gates.Read()};
}

TEST(RouterTest, AgreesWithDoubles) {
  AnyDevice device(2);
  for (const Size& size : kSizes) {
    for (const bool renormalize : {true, false}) {
      // Distinct multiples of 2^-6, so that no rounding changes the order.
      Values logits =
          RandomIntegers(size.experts, size.tokens * size.experts, 0, 0);
      for (int64_t t = 0; t < size.tokens; ++t) {
        const auto row = logits.begin() + t * size.experts;
        std::iota(row, row + size.experts, -size.experts / 2);
        const Values swaps =
            RandomIntegers(t, size.experts, 0, size.experts - 1);
        for (int64_t e = 0; e < size.experts; ++e) {
          std::swap(row[e], row[static_cast<int64_t>(swaps[e])]);
        }
      }
      for (double& logit : logits) logit *= 0x1p-6;
      const Decision expected = Oracle(size, logits, renormalize);
      for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
        const Decision actual =
            Route(device, size, logits, renormalize, layout);
        // exp within 2 ulp (2^-22), a sum of `experts` terms, a division.
        const double tolerance =
            (static_cast<double>(size.experts) + 8) * 0x1p-24;
        EXPECT_TRUE(AllNear(actual.probabilities, expected.probabilities, 0,
                            tolerance));
        EXPECT_TRUE(AllEqual(actual.experts, expected.experts));
        EXPECT_TRUE(AllNear(actual.gates, expected.gates, 0, 3 * tolerance));
        // log within 4 ulp and one addition, of numbers below 8.
        EXPECT_TRUE(AllNear(actual.logsumexp, expected.logsumexp,
                            tolerance + 5 * 0x1p-21, 0));
      }
    }
  }
}

// More than a GPU's shared memory has room for. Distinct multiples of 2^-11.
TEST(RouterTest, ThirteenThousandExpertsAgreeWithDoubles) {
  AnyDevice device;
  const Size size = {2, 13000, 3};
  Values logits;
  for (int64_t i = 0; i < size.tokens * size.experts; ++i) {
    logits.push_back(static_cast<double>(i * 7919 % size.experts) / 2048);
  }
  const Decision expected = Oracle(size, logits, true);
  const Decision actual = Route(device, size, logits, true);
  const double tolerance = (static_cast<double>(size.experts) + 8) * 0x1p-24;
  EXPECT_TRUE(
      AllNear(actual.probabilities, expected.probabilities, 0, tolerance));
  EXPECT_TRUE(AllEqual(actual.experts, expected.experts));
  EXPECT_TRUE(AllNear(actual.gates, expected.gates, 0, 3 * tolerance));
}

TEST(RouterTest, ReplayedExpertsGetTheGatesOfTheirProbabilities) {
  AnyDevice device;
  const auto stream = device.NewStream();
  const Values logits = RandomValues(3, 40 * 8, -2, 2);
  Values replayed;
  for (int64_t t = 0; t < 40; ++t) {
    replayed.push_back(static_cast<double>(t % 8));
    replayed.push_back(static_cast<double>((t + 3) % 8));
  }
  for (const bool renormalize : {true, false}) {
    const Decision own = Route(device, {40, 8, 2}, logits, renormalize);
    for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
      TestTensor logit_tensor(device, DType::kFloat32, {40, 8}, logits);
      TestTensor probabilities(device, DType::kFloat32, {40, 8});
      TestTensor logsumexp(device, DType::kFloat32, {40});
      TestTensor experts(device, DType::kInt32, {40, 2});
      TestTensor gates(device, DType::kFloat32, {40, 2});
      TestTensor chosen(device, DType::kInt32, {40, 2}, replayed, layout);
      Router(*stream, {.logits = logit_tensor,
                       .rule = RuleOf(renormalize),
                       .probabilities = probabilities,
                       .logsumexp = logsumexp,
                       .experts = experts,
                       .gates = gates,
                       .replayed = chosen});
      stream->Wait();
      EXPECT_EQ(probabilities.Read(), own.probabilities);
      EXPECT_EQ(logsumexp.Read(), own.logsumexp);
      EXPECT_EQ(experts.Read(), replayed);
      const Values actual = gates.Read();
      for (int64_t t = 0; t < 40; ++t) {
        const double* p = &own.probabilities[t * 8];
        const double first = p[t % 8], second = p[(t + 3) % 8];
        const double sum = renormalize ? first + second : 1.0;
        EXPECT_NEAR(actual[2 * t], first / sum, 2 * 0x1p-24);
        EXPECT_NEAR(actual[2 * t + 1], second / sum, 2 * 0x1p-24);
      }
    }
    // What it would have chosen itself changes nothing.
    TestTensor logit_tensor(device, DType::kFloat32, {40, 8}, logits);
    TestTensor probabilities(device, DType::kFloat32, {40, 8});
    TestTensor logsumexp(device, DType::kFloat32, {40});
    TestTensor experts(device, DType::kInt32, {40, 2});
    TestTensor gates(device, DType::kFloat32, {40, 2});
    TestTensor chosen(device, DType::kInt32, {40, 2}, own.experts);
    Router(*stream, {.logits = logit_tensor,
                     .rule = RuleOf(renormalize),
                     .probabilities = probabilities,
                     .logsumexp = logsumexp,
                     .experts = experts,
                     .gates = gates,
                     .replayed = chosen});
    stream->Wait();
    EXPECT_EQ(gates.Read(), own.gates);
  }
}

TEST(RouterTest, ProbabilitiesSpanTheRangeOfFp32) {
  AnyDevice device;
  const Values logits = {0, -30, -80, -1e30, 1000, 900, -1000, 0};
  const Decision result = Route(device, {2, 4, 1}, logits, true);
  const Decision expected = Oracle({2, 4, 1}, logits, true);
  EXPECT_TRUE(AllNear(result.probabilities, expected.probabilities, 1e-38,
                      8 * 0x1p-24));
  EXPECT_TRUE(AllNear(result.logsumexp, expected.logsumexp, 1e-6, 1e-7));
}

Values InBFloat16(Values values) {
  for (double& value : values) value = RoundTo(DType::kBFloat16, value);
  return values;
}

// Invariant A4, the example of ST-MoE (2202.08906): bf16 has no number between
// 128 and 129, and a router of its logits gives an expert 36 % less than its
// due, and the token to another.
TEST(RouterTest, LogitsInBFloat16WouldChangeAProbabilityByAThird) {
  AnyDevice device;
  const Size size{1, 11, 1};
  Values logits(11, 128.0);
  logits[10] = 128.5;
  const Decision exact = Route(device, size, logits, false);
  EXPECT_NEAR(exact.probabilities[10], 1 / (1 + 10 * std::exp(-0.5)), 1e-6);
  EXPECT_NEAR(exact.probabilities[10], 0.142, 5e-4);
  EXPECT_EQ(exact.experts, Values{10});
  const Values rounded = InBFloat16(logits);
  EXPECT_EQ(rounded, Values(11, 128.0));
  const Decision wrong = Route(device, size, rounded, false);
  EXPECT_NEAR(wrong.probabilities[10], 1.0 / 11, 1e-7);
  EXPECT_EQ(wrong.experts, Values{0});
}

TEST(RouterTest, TiesGoToTheLowerExpert) {
  AnyDevice device;
  for (const int64_t experts : {1, 7, 8, 9, 40}) {
    for (const int64_t k : {int64_t{1}, experts}) {
      const Decision result =
          Route(device, {2, experts, k}, Values(2 * experts, 0.25), true);
      for (int64_t j = 0; j < k; ++j) {
        EXPECT_EQ(result.experts[j], j);
        EXPECT_EQ(result.experts[k + j], j);
      }
    }
  }
  const Decision two =
      Route(device, {1, 9, 3}, {1, 0, 2, 0, 2, 1, 2, 0, 2}, true);
  EXPECT_TRUE(AllEqual(two.experts, {2, 4, 6}));
}

TEST(RouterTest, EqualLogitsGiveEqualGatesExactly) {
  AnyDevice device;
  const Decision two = Route(device, {1, 8, 2}, Values(8, -3.0), true);
  EXPECT_TRUE(AllEqual(two.gates, {0.5, 0.5}));
  EXPECT_TRUE(AllEqual(two.probabilities, Values(8, 0.125)));
  const Decision one = Route(device, {1, 4, 1}, Values(4, 1.0), true);
  EXPECT_TRUE(AllEqual(one.gates, {0.25}));  // never renormalised
}

TEST(RouterTest, NaNStillGivesDistinctExperts) {
  AnyDevice device;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, inf}) {
    for (const int64_t at : {0, 5, 12}) {
      Values logits = RandomValues(3, 13);
      logits[at] = bad;
      const Decision result = Route(device, {1, 13, 4}, logits, true);
      const std::set<double> distinct(result.experts.begin(),
                                      result.experts.end());
      EXPECT_EQ(distinct.size(), 4u);
      EXPECT_GE(*distinct.begin(), 0);
      EXPECT_LT(*distinct.rbegin(), 13);
      EXPECT_TRUE(std::isnan(result.gates[0]));  // it is seen downstream
      EXPECT_TRUE(std::isnan(result.logsumexp[0]));
    }
  }
}

struct BackwardInputs {
  Size size;
  bool renormalize;
  Values logits, dgates, valid, balance_gradient;
  double z_gradient;
};

BackwardInputs RandomBackward(const Size& size, bool renormalize) {
  return {size,
          renormalize,
          RandomValues(1, size.tokens * size.experts, -2, 2),
          RandomValues(2, size.tokens * size.k),
          RandomIntegers(3, size.tokens, 0, 1),
          RandomValues(4, size.experts),
          0.37f};
}

// The scalar of which dlogits is the gradient, with the choice held fixed.
double Objective(const BackwardInputs& in, const Values& logits,
                 const Values& experts) {
  const Decision all = Oracle(in.size, logits, false);
  double total = 0;
  for (int64_t t = 0; t < in.size.tokens; ++t) {
    const double* p = &all.probabilities[t * in.size.experts];
    double chosen = 0;
    for (int64_t j = 0; j < in.size.k; ++j) {
      chosen += p[static_cast<int64_t>(experts[t * in.size.k + j])];
    }
    if (!Renormalizes(in.renormalize, in.size.k)) chosen = 1;
    for (int64_t j = 0; j < in.size.k; ++j) {
      const int64_t i = t * in.size.k + j;
      total += in.dgates[i] * p[static_cast<int64_t>(experts[i])] / chosen;
    }
    if (in.valid[t] == 0) continue;
    for (int64_t e = 0; e < in.size.experts; ++e) {
      total += in.balance_gradient[e] * p[e];
    }
    total += in.z_gradient * all.logsumexp[t] * all.logsumexp[t];
  }
  return total;
}

Values BackwardOracle(const BackwardInputs& in, const Decision& decision) {
  const int64_t experts = in.size.experts, k = in.size.k;
  const bool renormalize = Renormalizes(in.renormalize, k);
  Values result(in.logits.size());
  for (int64_t t = 0; t < in.size.tokens; ++t) {
    const double* p = &decision.probabilities[t * experts];
    Values dp(experts, 0.0);
    if (in.valid[t] == 1) dp = in.balance_gradient;
    double chosen = 0, inner = 0;
    for (int64_t j = 0; j < k; ++j) {
      const int64_t i = t * k + j;
      chosen += p[static_cast<int64_t>(decision.experts[i])];
      inner += in.dgates[i] * decision.gates[i];
    }
    for (int64_t j = 0; j < k; ++j) {
      const int64_t i = t * k + j;
      dp[static_cast<int64_t>(decision.experts[i])] +=
          renormalize ? (in.dgates[i] - inner) / chosen : in.dgates[i];
    }
    double mean = 0;
    for (int64_t e = 0; e < experts; ++e) mean += p[e] * dp[e];
    for (int64_t e = 0; e < experts; ++e) {
      const double z =
          in.valid[t] == 1 ? in.z_gradient * 2 * decision.logsumexp[t] : 0.0;
      result[t * experts + e] = p[e] * (dp[e] - mean) + z * p[e];
    }
  }
  return result;
}

TEST(RouterBackwardTest, OracleIsTheDerivative) {
  SWITCHYARD_CPU_ONLY();
  for (const Size& size : {Size{3, 5, 2}, Size{3, 4, 1}, Size{2, 3, 3}}) {
    for (const bool renormalize : {true, false}) {
      BackwardInputs in = RandomBackward(size, renormalize);
      in.valid[0] = 1;
      in.valid[1] = 0;
      const Decision decision = Oracle(size, in.logits, renormalize);
      const Values gradient = BackwardOracle(in, decision);
      const double h = 1e-5;  // errors: h² and 1e-15 / h
      for (size_t i = 0; i < in.logits.size(); ++i) {
        Values up = in.logits, down = in.logits;
        up[i] += h;
        down[i] -= h;
        const double difference = (Objective(in, up, decision.experts) -
                                   Objective(in, down, decision.experts)) /
                                  (2 * h);
        EXPECT_NEAR(gradient[i], difference, 1e-8) << i;
      }
    }
  }
}

std::vector<uint64_t> Backward(Device& device, const BackwardInputs& in,
                               const Decision& decision, Layout layout,
                               Values& dlogit_values) {
  const auto stream = device.NewStream();
  const Shape all = {in.size.tokens, in.size.experts};
  const Shape chosen = {in.size.tokens, in.size.k};
  TestTensor probabilities(device, DType::kFloat32, all, decision.probabilities,
                           layout);
  TestTensor logsumexp(device, DType::kFloat32, {in.size.tokens},
                       decision.logsumexp);
  TestTensor experts(device, DType::kInt32, chosen, decision.experts, layout);
  TestTensor gates(device, DType::kFloat32, chosen, decision.gates, layout);
  TestTensor dgates(device, DType::kFloat32, chosen, in.dgates, layout);
  TestTensor valid(device, DType::kUInt8, {in.size.tokens}, in.valid);
  TestTensor balance(device, DType::kFloat32, {1, in.size.experts},
                     in.balance_gradient);
  TestTensor dlogits(device, DType::kFloat32, all, layout);
  RouterBackward(*stream, {.probabilities = probabilities,
                           .logsumexp = logsumexp,
                           .experts = experts,
                           .gates = gates,
                           .dgates = dgates,
                           .valid = valid,
                           .balance_gradient = balance,
                           .z_gradient = static_cast<float>(in.z_gradient),
                           .rule = RuleOf(in.renormalize),
                           .dlogits = dlogits});
  stream->Wait();
  dlogit_values = dlogits.Read();
  return dlogits.Bits();
}

TEST(RouterBackwardTest, AgreesWithDoubles) {
  AnyDevice device(2);
  for (const Size& size : kSizes) {
    for (const bool renormalize : {true, false}) {
      const BackwardInputs in = RandomBackward(size, renormalize);
      const Decision decision = Oracle(size, in.logits, renormalize);
      for (const Layout layout : {Layout(), Layout::Strided(2, 1)}) {
        Values dlogits;
        Backward(device, in, decision, layout, dlogits);
        // A chosen p is at most the chosen ones' sum and |dgates| <= 1, so no
        // p · dp is above 3 in magnitude; the mean adds `experts` of them.
        const double tolerance =
            (static_cast<double>(size.experts) + 16) * 4 * 0x1p-24;
        EXPECT_TRUE(
            AllNear(dlogits, BackwardOracle(in, decision), tolerance, 0));
      }
    }
  }
}

TEST(RouterBackwardTest, OptionalTermsAreLeftOut) {
  AnyDevice device;
  const auto stream = device.NewStream();
  // One expert in all: its probability is 1 whatever the logit.
  TestTensor one(device, DType::kFloat32, {1, 1}, {1});
  TestTensor logsumexp(device, DType::kFloat32, {1}, {5});
  TestTensor experts(device, DType::kInt32, {1, 1}, {0});
  TestTensor valid(device, DType::kUInt8, {1}, {1});
  TestTensor dlogits(device, DType::kFloat32, {1, 1});
  RouterBackwardArgs args = {.probabilities = one,
                             .logsumexp = logsumexp,
                             .experts = experts,
                             .gates = one,
                             .dgates = one,
                             .valid = valid,
                             .dlogits = dlogits};
  RouterBackward(*stream, args);
  stream->Wait();
  EXPECT_TRUE(AllEqual(dlogits.Read(), {0}));
  // The z-loss alone: 2 · 0.5 · 5 · 1.
  args.z_gradient = 0.5f;
  RouterBackward(*stream, args);
  stream->Wait();
  EXPECT_TRUE(AllEqual(dlogits.Read(), {5}));
}

TEST(RouterTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  SWITCHYARD_CPU_ONLY();
  const Size size = {1000, 24, 3};
  const BackwardInputs in = RandomBackward(size, true);
  GuardedDevice one(1);
  const Decision decision = Route(one, size, in.logits, true);
  Values dlogits, other_dlogits;
  const auto bits = Backward(one, in, decision, {}, dlogits);
  for (const int threads : {2, 3}) {
    CpuDevice device(threads);
    const Decision other = Route(device, size, in.logits, true);
    EXPECT_EQ(other.probabilities, decision.probabilities);
    EXPECT_EQ(other.logsumexp, decision.logsumexp);
    EXPECT_EQ(other.gates, decision.gates);
    EXPECT_EQ(Backward(device, in, other, {}, other_dlogits), bits);
  }
}

TEST(RouterDeathTest, AChoiceThatIsNoExpertIsABug) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  for (const double expert : {-2.0, 5.0}) {
    const BackwardInputs in = RandomBackward({2, 5, 2}, true);
    Decision decision = Oracle(in.size, in.logits, true);
    decision.experts[3] = expert;
    Values dlogits;
    EXPECT_DEATH(Backward(device, in, decision, {}, dlogits),
                 "expert -?[0-9]+ of 5");
  }
}

TEST(RouterDeathTest, MoreChoicesThanExpertsIsABug) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  EXPECT_DEATH(Route(device, {1, 2, 3}, {0, 0}, true), "choose 3 of 2 experts");
}

}  // namespace
}  // namespace switchyard::kernels
