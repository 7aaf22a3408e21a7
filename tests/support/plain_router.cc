// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/plain_router.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace switchyard::testing {
namespace {

using kernels::RouterScoring;

// Places of `values`, the largest first, ties to the lower.
std::vector<int64_t> Ranked(const std::vector<double>& values) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return values[a] > values[b]; });
  return order;
}

std::vector<double> RowOf(const PlainMatrix& matrix, int64_t row) {
  return {matrix[row], matrix[row] + matrix.width};
}

// Which experts may be chosen: those of a token's best groups.
std::vector<bool> Eligible(const std::vector<double>& values,
                           const RouterConfig& router) {
  const bool devices = router.device_groups > 1;
  const int64_t groups = devices ? router.device_groups : router.groups;
  const int64_t most =
      devices ? router.device_groups_per_token : router.groups_per_token;
  const int64_t size = static_cast<int64_t>(values.size()) / groups;
  std::vector<double> of_groups;
  for (int64_t g = 0; g < groups; ++g) {
    std::vector<double> group(values.begin() + g * size,
                              values.begin() + (g + 1) * size);
    std::sort(group.rbegin(), group.rend());
    const bool two = !devices && router.topk_method == TopKMethod::kNoAuxTc;
    of_groups.push_back(two && groups > 1 ? group[0] + group[1] : group[0]);
  }
  const std::vector<int64_t> best = Ranked(of_groups);
  std::vector<bool> eligible(values.size(), false);
  for (int64_t i = 0; i < most; ++i) {
    for (int64_t e = 0; e < size; ++e) eligible[best[i] * size + e] = true;
  }
  return eligible;
}

std::vector<int64_t> BestExperts(std::vector<double> values,
                                 const ModelConfig& config) {
  const std::vector<bool> eligible = Eligible(values, config.router);
  std::vector<int64_t> experts;
  for (int64_t expert : Ranked(values)) {
    if (!eligible[expert]) continue;
    if (static_cast<int64_t>(experts.size()) < config.experts_per_token) {
      experts.push_back(expert);
    }
  }
  return experts;
}

void SetGates(const PlainScores& scores, int64_t token,
              const ModelConfig& config, PlainChoice& choice) {
  const RouterConfig& router = config.router;
  const bool single = choice.experts.size() == 1;
  const bool divided = router.renormalize.value_or(true) && !single;
  const auto weight = [&](int64_t expert) {
    return router.softmax_after_topk ? std::exp(scores.logits[token][expert])
                                     : scores.scores[token][expert];
  };
  double sum = 0.0;
  for (int64_t expert : choice.experts) sum += weight(expert);
  if (!divided && !router.softmax_after_topk) sum = 1.0;
  choice.gates.clear();
  for (int64_t expert : choice.experts) {
    choice.gates.push_back(router.scaling * weight(expert) / sum);
  }
}

// Valid tokens of [begin, end), first come first.
std::vector<int64_t> Queue(const OverflowRule& rule, int64_t begin, int64_t end,
                           const std::vector<uint8_t>& valid,
                           const PlainMatrix& probabilities,
                           const std::vector<PlainChoice>& choices) {
  std::vector<int64_t> queue;
  for (int64_t t = begin; t < end; ++t) {
    if (valid[t]) queue.push_back(t);
  }
  if (rule.policy == DropPolicy::kPosition) return queue;
  std::stable_sort(queue.begin(), queue.end(), [&](int64_t a, int64_t b) {
    return probabilities[a][choices[a].experts[0]] >
           probabilities[b][choices[b].experts[0]];
  });
  return queue;
}

// First choices first; then what is left tries the token's next experts.
void GiveOutPlaces(const OverflowRule& rule, const std::vector<int64_t>& queue,
                   const ModelConfig& config,
                   std::vector<PlainChoice>& choices) {
  std::vector<int64_t> room(config.experts, rule.capacity);
  const auto take = [&](int64_t expert) { return room[expert]-- > 0; };
  for (int64_t j = 0; j < config.experts_per_token; ++j) {
    for (int64_t t : queue) choices[t].kept[j] = take(choices[t].experts[j]);
  }
  for (int64_t i = 0; i < rule.more_experts; ++i) {
    for (int64_t t : queue) {
      PlainChoice& choice = choices[t];
      const auto lost =
          std::find(choice.kept.begin(), choice.kept.end(), false);
      if (lost == choice.kept.end()) continue;
      const int64_t next = choice.ranking[config.experts_per_token + i];
      if (!take(next)) continue;
      *lost = true;
      choice.experts[lost - choice.kept.begin()] = next;
    }
  }
}

void RenormalizeSurvivors(PlainChoice& choice) {
  double all = 0.0, kept = 0.0;
  for (size_t j = 0; j < choice.gates.size(); ++j) {
    all += choice.gates[j];
    if (choice.kept[j]) kept += choice.gates[j];
  }
  if (kept == 0.0) return;
  for (double& gate : choice.gates) gate *= all / kept;
}

}  // namespace

PlainScores ScoreTokens(const PlainMatrix& logits, const RouterConfig& router) {
  PlainScores result = {logits, logits, logits, {}};
  for (int64_t t = 0; t < logits.rows; ++t) {
    const double* row = logits[t];
    const double most = *std::max_element(row, row + logits.width);
    double sum = 0.0, sum_of_scores = 0.0;
    for (int64_t e = 0; e < logits.width; ++e) sum += std::exp(row[e] - most);
    result.logsumexp.push_back(most + std::log(sum));
    for (int64_t e = 0; e < logits.width; ++e) {
      result.scores[t][e] = router.scoring == RouterScoring::kSigmoid
                                ? 1.0 / (1.0 + std::exp(-row[e]))
                                : std::exp(row[e] - result.logsumexp[t]);
      sum_of_scores += result.scores[t][e];
    }
    for (int64_t e = 0; e < logits.width; ++e) {
      result.probabilities[t][e] = result.scores[t][e] / sum_of_scores;
    }
  }
  return result;
}

std::vector<PlainChoice> TokensChoose(const PlainScores& scores,
                                      const ModelConfig& config,
                                      const std::vector<double>& bias,
                                      const PlainRouting* held) {
  std::vector<PlainChoice> choices;
  for (int64_t t = 0; t < scores.scores.rows; ++t) {
    PlainChoice& choice = choices.emplace_back();
    std::vector<double> values = RowOf(scores.scores, t);
    choice.ranking = Ranked(values);
    for (size_t e = 0; e < bias.size(); ++e) values[e] += bias[e];
    choice.experts =
        held != nullptr ? held->experts[t] : BestExperts(values, config);
    SetGates(scores, t, config, choice);
    choice.kept.assign(config.experts_per_token, true);
  }
  return choices;
}

std::vector<PlainChoice> ExpertsChoose(const PlainScores& scores,
                                       const ModelConfig& config,
                                       const std::vector<uint8_t>& valid,
                                       const PlainRouting* held) {
  const int64_t tokens = scores.scores.rows;
  // ceil(k · T / E)
  const int64_t rows =
      (config.experts_per_token * tokens + config.experts - 1) / config.experts;
  std::vector<PlainChoice> choices(tokens);
  for (int64_t e = 0; e < config.experts && held == nullptr; ++e) {
    std::vector<double> column;
    for (int64_t t = 0; t < tokens; ++t) {
      column.push_back(valid[t] != 0 ? scores.scores[t][e] : -1.0);
    }
    const std::vector<int64_t> ranked = Ranked(column);
    for (int64_t i = 0; i < std::min(rows, tokens); ++i) {
      if (column[ranked[i]] >= 0.0) choices[ranked[i]].experts.push_back(e);
    }
  }
  for (int64_t t = 0; t < tokens; ++t) {
    if (held != nullptr) choices[t].experts = held->experts[t];
    for (int64_t expert : choices[t].experts) {
      choices[t].gates.push_back(config.router.scaling *
                                 scores.scores[t][expert]);
      choices[t].kept.push_back(true);
    }
  }
  return choices;
}

void ApplyOverflow(const OverflowRule& rule, const std::vector<uint8_t>& valid,
                   const PlainScores& scores, const ModelConfig& config,
                   std::vector<PlainChoice>& choices) {
  const int64_t tokens = static_cast<int64_t>(choices.size());
  for (int64_t t = 0; t < tokens; ++t) {
    if (!valid[t]) choices[t].kept.assign(choices[t].experts.size(), false);
  }
  if (rule.capacity == 0) return;
  const int64_t scope = rule.scope_tokens == 0 ? tokens : rule.scope_tokens;
  for (int64_t begin = 0; begin < tokens; begin += scope) {
    const std::vector<int64_t> queue =
        Queue(rule, begin, begin + scope, valid, scores.probabilities, choices);
    GiveOutPlaces(rule, queue, config, choices);
    for (int64_t t : queue) {
      SetGates(scores, t, config, choices[t]);
      if (rule.renormalize_survivors) RenormalizeSurvivors(choices[t]);
    }
  }
}

}  // namespace switchyard::testing
