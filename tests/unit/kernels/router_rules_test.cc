// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Every combination of what RouterRule, bias and noise can say, against plain
// loops in double that follow the header's formulas.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/kernels/no_expert.h"
#include "switchyard/kernels/router.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

constexpr double kLeastSum = 1e-20f;

// Row-major inputs of all tokens; no bias or no noise where they are empty.
struct Problem {
  int64_t experts, k;
  RouterRule rule;
  Values logits, bias, noise;
  int64_t tokens() const {
    return static_cast<int64_t>(logits.size()) / experts;
  }
};

struct Decision {
  Values probabilities, logsumexp, experts, gates;
};

Values RowOf(const Values& all, int64_t t, int64_t width) {
  if (all.empty()) return {};
  return Values(all.begin() + t * width, all.begin() + (t + 1) * width);
}

double LogSumExp(const Values& logits) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - max);
  return max + std::log(sum);
}

Values Scores(RouterScoring scoring, const Values& logits) {
  const double logsumexp = LogSumExp(logits);
  Values scores;
  for (const double logit : logits) {
    scores.push_back(scoring == RouterScoring::kSoftmax
                         ? std::exp(logit - logsumexp)
                         : 1 / (1 + std::exp(-logit)));
  }
  return scores;
}

Values Probabilities(const Problem& in, const Values& logits) {
  Values p = Scores(in.rule.scoring, logits);
  if (in.rule.scoring == RouterScoring::kSoftmax) return p;
  const double sum = std::accumulate(p.begin(), p.end(), 0.0) + kLeastSum;
  for (double& value : p) value /= sum;
  return p;
}

Values SelectionScores(const Problem& in, int64_t t) {
  Values logits = RowOf(in.logits, t, in.experts);
  const Values noise = RowOf(in.noise, t, in.experts);
  for (size_t e = 0; e < noise.size(); ++e) logits[e] += noise[e];
  Values v = Scores(in.rule.scoring, logits);
  for (size_t e = 0; e < in.bias.size(); ++e) v[e] += in.bias[e];
  return v;
}

// Places of values in descending order, equal ones by place.
std::vector<int64_t> Ranking(const Values& values) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return values[a] > values[b]; });
  return order;
}

Values GroupScores(const RouterRule& rule, const Values& v) {
  const int64_t size = static_cast<int64_t>(v.size()) / rule.groups;
  Values scores;
  for (int64_t g = 0; g < rule.groups; ++g) {
    Values group = RowOf(v, g, size);
    std::sort(group.rbegin(), group.rend());
    scores.push_back(
        rule.group_score == GroupScore::kMax ? group[0] : group[0] + group[1]);
  }
  return scores;
}

std::vector<int64_t> Chosen(const Problem& in, const Values& v) {
  const int64_t size = in.experts / in.rule.groups;
  std::set<int64_t> open;
  if (in.rule.groups > 1) {
    const std::vector<int64_t> groups = Ranking(GroupScores(in.rule, v));
    open.insert(groups.begin(), groups.begin() + in.rule.groups_per_token);
  } else {
    open.insert(0);
  }
  std::vector<int64_t> chosen;
  for (const int64_t expert : Ranking(v)) {
    if (open.count(expert / size) > 0) chosen.push_back(expert);
  }
  chosen.resize(in.k);
  return chosen;
}

Values Gates(const Problem& in, const Values& logits,
             const std::vector<int64_t>& chosen) {
  const Values s = Scores(in.rule.scoring, logits);
  Values gates;
  for (const int64_t expert : chosen) {
    gates.push_back(in.rule.gates == GateNormalization::kSoftmax
                        ? std::exp(logits[expert])
                        : s[expert]);
  }
  double sum = std::accumulate(gates.begin(), gates.end(), 0.0);
  if (in.rule.gates == GateNormalization::kSum) sum += kLeastSum;
  if (in.rule.gates == GateNormalization::kNone || in.k == 1) sum = 1;
  for (double& gate : gates) gate *= in.rule.scaling / sum;
  return gates;
}

Decision Oracle(const Problem& in) {
  Decision result;
  for (int64_t t = 0; t < in.tokens(); ++t) {
    const Values logits = RowOf(in.logits, t, in.experts);
    const std::vector<int64_t> chosen = Chosen(in, SelectionScores(in, t));
    const Values p = Probabilities(in, logits), g = Gates(in, logits, chosen);
    result.logsumexp.push_back(LogSumExp(logits));
    result.probabilities.insert(result.probabilities.end(), p.begin(), p.end());
    result.experts.insert(result.experts.end(), chosen.begin(), chosen.end());
    result.gates.insert(result.gates.end(), g.begin(), g.end());
  }
  return result;
}

Decision Route(Device& device, const Problem& in, Layout layout = {}) {
  const auto stream = device.NewStream();
  const Shape all = {in.tokens(), in.experts}, chosen = {in.tokens(), in.k};
  TestTensor logits(device, DType::kFloat32, all, in.logits, layout);
  TestTensor bias(device, DType::kFloat32, {in.experts},
                  in.bias.empty() ? Values(in.experts) : in.bias);
  TestTensor noise(device, DType::kFloat32, all,
                   in.noise.empty() ? Values(in.logits.size()) : in.noise,
                   layout);
  TestTensor probabilities(device, DType::kFloat32, all, layout);
  TestTensor logsumexp(device, DType::kFloat32, {in.tokens()});
  TestTensor experts(device, DType::kInt32, chosen, layout);
  TestTensor gates(device, DType::kFloat32, chosen, layout);
  RouterArgs args = {.logits = logits,
                     .rule = in.rule,
                     .probabilities = probabilities,
                     .logsumexp = logsumexp,
                     .experts = experts,
                     .gates = gates};
  if (!in.bias.empty()) args.selection_bias = bias;
  if (!in.noise.empty()) args.selection_noise = noise;
  Router(*stream, args);
  stream->Wait();
  return {probabilities.Read(), logsumexp.Read(), experts.Read(), gates.Read()};
}

struct Flow {
  Values dgates, valid, balance_gradient;
  double z_gradient = 0.37f;
};

Flow RandomFlow(const Problem& in) {
  Flow flow = {RandomValues(2, in.tokens() * in.k),
               RandomIntegers(3, in.tokens(), 0, 1),
               RandomValues(4, in.experts)};
  if (!flow.valid.empty()) flow.valid[0] = 1;
  return flow;
}

Values Backward(Device& device, const Problem& in, const Decision& decision,
                const Flow& flow, Layout layout = {}) {
  const auto stream = device.NewStream();
  const Shape all = {in.tokens(), in.experts}, chosen = {in.tokens(), in.k};
  TestTensor logits(device, DType::kFloat32, all, in.logits, layout);
  TestTensor probabilities(device, DType::kFloat32, all, decision.probabilities,
                           layout);
  TestTensor logsumexp(device, DType::kFloat32, {in.tokens()},
                       decision.logsumexp);
  TestTensor experts(device, DType::kInt32, chosen, decision.experts, layout);
  TestTensor gates(device, DType::kFloat32, chosen, decision.gates, layout);
  TestTensor dgates(device, DType::kFloat32, chosen, flow.dgates, layout);
  TestTensor valid(device, DType::kUInt8, {in.tokens()}, flow.valid);
  TestTensor balance(device, DType::kFloat32, {1, in.experts},
                     flow.balance_gradient);
  TestTensor dlogits(device, DType::kFloat32, all, layout);
  RouterBackwardArgs args = {.probabilities = probabilities,
                             .logsumexp = logsumexp,
                             .experts = experts,
                             .gates = gates,
                             .dgates = dgates,
                             .valid = valid,
                             .balance_gradient = balance,
                             .z_gradient = static_cast<float>(flow.z_gradient),
                             .rule = in.rule,
                             .dlogits = dlogits};
  if (in.rule.scoring == RouterScoring::kSigmoid) args.logits = logits;
  RouterBackward(*stream, args);
  stream->Wait();
  return dlogits.Read();
}

// The scalar of which dlogits is the gradient, of one token whose choice is
// held fixed.
double Objective(const Problem& in, const Values& logits, int64_t t,
                 const std::vector<int64_t>& chosen, const Flow& flow) {
  const Values gates = Gates(in, logits, chosen);
  double total = 0;
  for (int64_t j = 0; j < in.k; ++j) {
    total += flow.dgates[t * in.k + j] * gates[j];
  }
  if (flow.valid[t] == 0) return total;
  const Values p = Probabilities(in, logits);
  for (int64_t e = 0; e < in.experts; ++e) {
    total += flow.balance_gradient[e] * p[e];
  }
  const double logsumexp = LogSumExp(logits);
  return total + flow.z_gradient * logsumexp * logsumexp;
}

Values CentralDifferences(const Problem& in, const Decision& decision,
                          const Flow& flow) {
  const double h = 1e-5;  // errors: h² and 1e-15 / h
  Values result;
  for (int64_t t = 0; t < in.tokens(); ++t) {
    const Values row = RowOf(decision.experts, t, in.k);
    const std::vector<int64_t> chosen(row.begin(), row.end());
    Values logits = RowOf(in.logits, t, in.experts);
    for (double& logit : logits) {
      const double here = logit;
      logit = here + h;
      const double up = Objective(in, logits, t, chosen, flow);
      logit = here - h;
      const double down = Objective(in, logits, t, chosen, flow);
      logit = here;
      result.push_back((up - down) / (2 * h));
    }
  }
  return result;
}

// The least gap between neighbours in rank, of the largest.
double LeastGap(Values values) {
  std::sort(values.begin(), values.end());
  double gap = 1;
  for (size_t i = 1; i < values.size(); ++i) {
    gap = std::min(gap, values[i] - values[i - 1]);
  }
  return gap / std::abs(values.back());
}

// Random inputs without near ties, which rounding would decide.
Problem RandomProblem(Problem in, int64_t tokens, bool biased, bool noisy) {
  if (biased) in.bias = RandomValues(77, in.experts, -0.2, 0.2);
  uint64_t seed = in.experts * 1000 + in.k;
  while (in.tokens() < tokens) {
    Problem one = in;
    one.logits = RandomValues(++seed, in.experts, -2, 2);
    one.noise = noisy ? RandomValues(++seed, in.experts, -3, 3) : Values();
    const Values v = SelectionScores(one, 0);
    if (LeastGap(v) < 0x1p-18 ||
        (in.rule.groups > 1 && LeastGap(GroupScores(in.rule, v)) < 0x1p-18)) {
      continue;
    }
    in.logits.insert(in.logits.end(), one.logits.begin(), one.logits.end());
    in.noise.insert(in.noise.end(), one.noise.begin(), one.noise.end());
  }
  return in;
}

struct Grouping {
  int64_t groups, groups_per_token;
  GroupScore score = GroupScore::kMax;
};

std::vector<Grouping> GroupingsOf(int64_t experts) {
  constexpr GroupScore kMax = GroupScore::kMax, kTwo = GroupScore::kSumOfTwo;
  switch (experts) {
    case 5:
      return {{1, 1}, {5, 3, kMax}};
    case 17:
      return {{1, 1}, {17, 4, kMax}};
    case 64:
      return {{1, 1}, {8, 4, kMax}, {8, 4, kTwo}, {8, 8, kTwo}, {2, 1, kTwo}};
    default:
      return {{1, 1}, {8, 3, kMax}, {16, 5, kTwo}, {10, 1, kMax}};
  }
}

std::vector<RouterRule> Scorings(int64_t k) {
  std::vector<RouterRule> rules;
  for (const RouterScoring scoring :
       {RouterScoring::kSoftmax, RouterScoring::kSigmoid}) {
    for (const GateNormalization gates :
         {GateNormalization::kNone, GateNormalization::kSum}) {
      rules.push_back(
          {scoring, gates, scoring == RouterScoring::kSigmoid ? 2.5f : 1.0f});
    }
  }
  if (k >= 2) {
    rules.push_back({RouterScoring::kSoftmax, GateNormalization::kSoftmax, 1});
    rules.push_back(
        {RouterScoring::kSoftmax, GateNormalization::kSoftmax, 0.75f});
  }
  return rules;
}

std::string NameOf(const Problem& in) {
  return ::testing::PrintToString(in.experts) + " experts, k " +
         ::testing::PrintToString(in.k) + ", scoring " +
         ::testing::PrintToString(static_cast<int>(in.rule.scoring)) +
         ", gates " +
         ::testing::PrintToString(static_cast<int>(in.rule.gates)) +
         ", groups " + ::testing::PrintToString(in.rule.groups) + ", bias " +
         ::testing::PrintToString(!in.bias.empty()) + ", noise " +
         ::testing::PrintToString(!in.noise.empty());
}

// `extras`: 1 adds a bias, 2 a noise.
template <typename Check>
void ForEveryRule(const std::vector<int>& all_extras, const Check& check) {
  for (const int64_t experts : {5, 17, 64, 160}) {
    for (const int64_t k : {int64_t{1}, int64_t{2}, int64_t{3}, experts}) {
      for (const Grouping& grouping : GroupingsOf(experts)) {
        if (grouping.groups_per_token * (experts / grouping.groups) < k) {
          continue;
        }
        for (RouterRule rule : Scorings(k)) {
          rule.groups = grouping.groups;
          rule.groups_per_token = grouping.groups_per_token;
          rule.group_score = grouping.score;
          for (const int extras : all_extras) {
            check(RandomProblem({experts, k, rule, {}, {}, {}}, 3, extras & 1,
                                extras & 2));
          }
        }
      }
    }
  }
}

TEST(RouterRulesTest, EveryRuleAgreesWithDoubles) {
  CpuDevice device;
  ForEveryRule({0, 1, 2, 3}, [&](const Problem& in) {
    const Decision expected = Oracle(in);
    const Decision actual = Route(device, in, Layout::Strided(3, 1));
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

// Invariant A1, the router.
TEST(RouterRulesTest, EveryGradientIsTheDerivative) {
  CpuDevice device;
  ForEveryRule({0, 3}, [&](const Problem& in) {
    const Decision decision = Oracle(in);
    const Flow flow = RandomFlow(in);
    const Values actual =
        Backward(device, in, decision, flow, Layout::Strided(2, 1));
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
TEST(RouterRulesTest, SoftmaxTopKRenormalizedIsSoftmaxOverTheTopKLogits) {
  CpuDevice device;
  for (const int64_t experts : {5, 17, 64, 160}) {
    for (const int64_t k : {int64_t{2}, int64_t{3}, experts}) {
      Problem in =
          RandomProblem({experts, k, {}, {}, {}, {}}, 50, false, false);
      const Flow flow = RandomFlow(in);
      const Decision over_all = Route(device, in);
      const Values gradient_over_all = Backward(device, in, over_all, flow);
      in.rule.gates = GateNormalization::kSoftmax;
      const Decision over_chosen = Route(device, in);
      EXPECT_EQ(over_chosen.experts, over_all.experts);
      EXPECT_EQ(over_chosen.probabilities, over_all.probabilities);
      EXPECT_TRUE(AllNear(over_chosen.gates, over_all.gates, 1e-6, 0));
      EXPECT_TRUE(AllNear(Backward(device, in, over_chosen, flow),
                          gradient_over_all, 1e-6, 0));
    }
  }
}

TEST(RouterRulesTest, SigmoidGatesOfEqualLogits) {
  CpuDevice device;
  RouterRule rule;
  rule.scoring = RouterScoring::kSigmoid;
  rule.scaling = 2.5f;
  Problem in = {8, 2, rule, Values(8, 0.0), {}, {}};
  EXPECT_TRUE(AllEqual(Route(device, in).gates, {1.25, 1.25}));
  EXPECT_TRUE(AllEqual(Route(device, in).probabilities, Values(8, 0.125)));
  in.rule.gates = GateNormalization::kNone;
  EXPECT_TRUE(AllEqual(Route(device, in).gates, {1.25, 1.25}));
  in.k = 1;
  in.rule.gates = GateNormalization::kSum;  // never of a single gate
  EXPECT_TRUE(AllEqual(Route(device, in).gates, {1.25}));
}

// The slope of a sigmoid is e^-|x| of a logit far out, and not 0: relatively
// within the exponential's 2 ulp, three roundings of the sigmoid's and its
// complement's, and two products.
TEST(RouterRulesTest, ASaturatedSigmoidStillLearns) {
  CpuDevice device(1);
  for (const double logit : {8.0, 15.0, 20.0, 40.0, -20.0}) {
    Problem in;
    in.experts = 3;
    in.k = 1;
    in.rule.scoring = RouterScoring::kSigmoid;
    in.rule.gates = GateNormalization::kNone;
    in.logits = {logit, logit - 30, logit - 31};
    Flow flow = {{1.0}, {1.0}, {0.0, 0.0, 0.0}};
    flow.z_gradient = 0.0;
    const Values dlogits = Backward(device, in, Route(device, in), flow);
    const double e = std::exp(-std::fabs(logit));
    const double slope = e / ((1 + e) * (1 + e));
    EXPECT_NEAR(dlogits[0], slope, slope * 16 * 0x1p-24) << logit;
    EXPECT_EQ(dlogits[1], 0.0);
  }
}

TEST(RouterRulesTest, BiasAndNoiseDecideWhoIsChosenAndNeverTheGates) {
  CpuDevice device;
  for (const RouterScoring scoring :
       {RouterScoring::kSoftmax, RouterScoring::kSigmoid}) {
    RouterRule rule;
    rule.scoring = scoring;
    Problem in = {4, 2, rule, {2, 1, 0, -1}, {}, {}};
    const Decision plain = Route(device, in);
    EXPECT_TRUE(AllEqual(plain.experts, {0, 1}));
    in.bias = {0, 0, 0, 5};
    const Decision biased = Route(device, in);
    EXPECT_TRUE(AllEqual(biased.experts, {3, 0}));
    in.bias = {};
    in.noise = {0, 0, 0, 9};
    const Decision noisy = Route(device, in);
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
  CpuDevice device;
  RouterRule rule;
  rule.scoring = RouterScoring::kSigmoid;
  rule.groups = 3;
  // The best expert is in group 1, the two best together in group 2.
  Problem in = {6, 1, rule, {0, 0, 4, -9, 3, 2}, {}, {}};
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
  CpuDevice device;
  for (const GroupScore score : {GroupScore::kMax, GroupScore::kSumOfTwo}) {
    for (const RouterScoring scoring :
         {RouterScoring::kSoftmax, RouterScoring::kSigmoid}) {
      const RouterRule rule = {scoring, GateNormalization::kSum, 1, 4, 2,
                               score};
      Problem in = {20, 7, rule, Values(20, 0.5), {}, {}};
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
  CpuDevice device;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  ForEveryRule({0, 3}, [&](Problem in) {
    std::fill_n(in.logits.begin(), in.experts, nan);
    in.logits[in.experts + 2] = nan;
    if (!in.bias.empty()) in.bias[1] = nan;
    if (!in.noise.empty()) in.noise[2 * in.experts] = nan;
    const Decision result = Route(device, in);
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

TEST(RouterRulesTest, ScoresThatVanishGiveFiniteGatesAndGradients) {
  CpuDevice device;
  RouterRule sigmoid;
  sigmoid.scoring = RouterScoring::kSigmoid;
  // All sigmoids are 0 in fp32; or a bias has chosen two whose p is 0.
  for (const Problem& in :
       {Problem{4, 2, sigmoid, Values(4, -200.0), {}, {}},
        Problem{4, 2, {}, {0, 0, -200, -200}, {0, 0, 2, 2}, {}}}) {
    const Decision decision = Route(device, in);
    EXPECT_TRUE(AllEqual(decision.gates, {0, 0}));
    const Values dlogits =
        Backward(device, in, decision, {{1, -1}, {1}, {1, 0, 0, 0}, 0.0});
    for (const double value : dlogits) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(RouterRulesTest, NoExpertIsAsIfTheChoiceWereNotThere) {
  CpuDevice device;
  for (const RouterRule& rule : Scorings(3)) {
    const Problem two =
        RandomProblem({17, 2, rule, {}, {}, {}}, 3, false, false);
    const Flow flow = RandomFlow(two);
    const Decision decision = Route(device, two);
    Problem three = two;
    three.k = 3;
    Decision padded = decision;
    Flow padded_flow = flow;
    // The middle one of three is none; what stands there means nothing.
    for (int64_t t = 2; t >= 0; --t) {
      const auto insert = [t](Values& values, double value) {
        values.insert(values.begin() + 2 * t + 1, value);
      };
      insert(padded.experts, kNoExpert);
      insert(padded.gates, std::numeric_limits<double>::quiet_NaN());
      insert(padded_flow.dgates, std::numeric_limits<double>::quiet_NaN());
    }
    EXPECT_EQ(Backward(device, three, padded, padded_flow),
              Backward(device, two, decision, flow))
        << NameOf(two);
  }
}

TEST(RouterRulesTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (RouterRule rule : Scorings(3)) {
    rule.groups = 8;
    rule.groups_per_token = 3;
    rule.group_score = GroupScore::kSumOfTwo;
    Problem in = {24,
                  3,
                  rule,
                  RandomValues(1, 24 * 1000, -2, 2),
                  RandomValues(2, 24),
                  RandomValues(3, 24 * 1000, -3, 3)};
    const Flow flow = RandomFlow(in);
    GuardedDevice one(1);
    const Decision decision = Route(one, in);
    const Values dlogits = Backward(one, in, decision, flow);
    for (const int threads : {2, 3}) {
      CpuDevice device(threads);
      const Decision other = Route(device, in);
      EXPECT_EQ(other.probabilities, decision.probabilities);
      EXPECT_EQ(other.logsumexp, decision.logsumexp);
      EXPECT_EQ(other.experts, decision.experts);
      EXPECT_EQ(other.gates, decision.gates);
      EXPECT_EQ(Backward(device, in, other, flow), dlogits);
    }
  }
}

TEST(RouterRulesDeathTest, AContradictionIsABug) {
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
