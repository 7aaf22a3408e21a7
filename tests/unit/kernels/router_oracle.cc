// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/unit/kernels/router_oracle.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace switchyard::kernels {
namespace {

constexpr double kLeastSum = 1e-20f;

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

Values Probabilities(const RouterProblem& in, const Values& logits) {
  Values p = Scores(in.rule.scoring, logits);
  if (in.rule.scoring == RouterScoring::kSoftmax) return p;
  const double sum = std::accumulate(p.begin(), p.end(), 0.0) + kLeastSum;
  for (double& value : p) value /= sum;
  return p;
}

// Places of values in descending order, equal ones by place.
std::vector<int64_t> Ranking(const Values& values) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return values[a] > values[b]; });
  return order;
}

}  // namespace

Values RowOf(const Values& all, int64_t t, int64_t width) {
  if (all.empty()) return {};
  return Values(all.begin() + t * width, all.begin() + (t + 1) * width);
}

Values SelectionScores(const RouterProblem& in, int64_t t) {
  Values logits = RowOf(in.logits, t, in.experts);
  const Values noise = RowOf(in.noise, t, in.experts);
  for (size_t e = 0; e < noise.size(); ++e) logits[e] += noise[e];
  Values v = Scores(in.rule.scoring, logits);
  for (size_t e = 0; e < in.bias.size(); ++e) v[e] += in.bias[e];
  return v;
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

namespace {

std::vector<int64_t> Chosen(const RouterProblem& in, const Values& v) {
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

Values Gates(const RouterProblem& in, const Values& logits,
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

// The scalar of which dlogits is the gradient, of one token whose choice is
// held fixed.
double Objective(const RouterProblem& in, const Values& logits, int64_t t,
                 const std::vector<int64_t>& chosen, const RouterFlow& flow) {
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

}  // namespace

RouterDecision RouterOracle(const RouterProblem& in) {
  RouterDecision result;
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

Values CentralDifferences(const RouterProblem& in,
                          const RouterDecision& decision,
                          const RouterFlow& flow) {
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

}  // namespace switchyard::kernels
