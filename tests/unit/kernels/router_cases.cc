// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/unit/kernels/router_cases.h"

#include <algorithm>
#include <cmath>

#include "gtest/gtest.h"
#include "switchyard/tests/support/random_values.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

// The least gap between neighbours in rank, of the largest.
double LeastGap(Values values) {
  std::sort(values.begin(), values.end());
  double gap = 1;
  for (size_t i = 1; i < values.size(); ++i) {
    gap = std::min(gap, values[i] - values[i - 1]);
  }
  return gap / std::abs(values.back());
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

}  // namespace

RouterDecision Route(Device& device, const RouterProblem& in, Layout layout) {
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

RouterFlow RandomFlow(const RouterProblem& in) {
  RouterFlow flow = {RandomValues(2, in.tokens() * in.k),
                     RandomIntegers(3, in.tokens(), 0, 1),
                     RandomValues(4, in.experts)};
  if (!flow.valid.empty()) flow.valid[0] = 1;
  return flow;
}

Values RouteBackward(Device& device, const RouterProblem& in,
                     const RouterDecision& decision, const RouterFlow& flow,
                     Layout layout) {
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

RouterProblem RandomProblem(RouterProblem in, int64_t tokens, bool biased,
                            bool noisy) {
  if (biased) in.bias = RandomValues(77, in.experts, -0.2, 0.2);
  uint64_t seed = in.experts * 1000 + in.k;
  while (in.tokens() < tokens) {
    RouterProblem one = in;
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

std::string NameOf(const RouterProblem& in) {
  return ::testing::PrintToString(in.experts) + " experts, k " +
         ::testing::PrintToString(in.k) + ", scoring " +
         ::testing::PrintToString(static_cast<int>(in.rule.scoring)) +
         ", gates " +
         ::testing::PrintToString(static_cast<int>(in.rule.gates)) +
         ", groups " + ::testing::PrintToString(in.rule.groups) + ", bias " +
         ::testing::PrintToString(!in.bias.empty()) + ", noise " +
         ::testing::PrintToString(!in.noise.empty());
}

void ForEveryRule(const std::vector<int>& all_extras,
                  const std::function<void(const RouterProblem&)>& check) {
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

}  // namespace switchyard::kernels
