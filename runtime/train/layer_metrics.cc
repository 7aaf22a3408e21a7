// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/layer_metrics.h"

#include <algorithm>

#include "switchyard/runtime/train/step_statistics.h"

namespace switchyard {
namespace {

// Whole numbers of up to 2^53, divided once.
double Share(int64_t part, int64_t whole) {
  if (whole == 0) return LayerMetrics::kNone;
  return static_cast<double>(part) / static_cast<double>(whole);
}

int64_t Sum(absl::Span<const int64_t> counts) {
  int64_t sum = 0;
  for (const int64_t count : counts) sum += count;
  return sum;
}

void FillLoads(absl::Span<const int64_t> load, LayerMetrics* metrics) {
  const int64_t experts = static_cast<int64_t>(load.size());
  const int64_t sum = Sum(load);
  const int64_t largest = *std::max_element(load.begin(), load.end());
  metrics->load = load;
  metrics->max_load = Share(largest * experts, sum);
  metrics->max_vio = Share(largest * experts - sum, sum);
  metrics->dead_experts = std::count(load.begin(), load.end(), 0);
}

// Without a capacity they would be zeros that say nothing.
void FillOverflow(const StepStatistics& statistics, int layer,
                  LayerMetrics* metrics) {
  metrics->over_capacity = statistics.over_capacity(layer);
  metrics->rerouted = statistics.rerouted(layer);
  metrics->lost_tokens = statistics.lost_tokens(layer);
}

// What the objective takes the loss times: the pooled one is k at perfect
// balance, and its gradient is scaled so that it weighs as the others do.
double BalanceWeight(const TrainOptions& options, size_t layers) {
  const double coefficient = options.model.balance_loss_coef;
  if (options.balance.loss != BalanceLossKind::kHfMixtral) return coefficient;
  return coefficient * static_cast<double>(layers) /
         static_cast<double>(options.model.experts_per_token);
}

}  // namespace

void FillLayerMetrics(const StepStatistics& statistics,
                      const TrainOptions& options,
                      absl::Span<LayerMetrics> layers) {
  const ModelConfig& model = options.model;
  const double coefficient = BalanceWeight(options, layers.size());
  const double tokens = static_cast<double>(statistics.total_valid());
  const bool limited = !options.overflow.factor(/*training=*/true).dropless();
  for (size_t i = 0; i < layers.size(); ++i) {
    const int layer = static_cast<int>(i);
    LayerMetrics& metrics = layers[i];
    FillLoads(statistics.assigned(layer), &metrics);
    if (limited) FillOverflow(statistics, layer, &metrics);
    const int64_t assigned = Sum(metrics.load);
    const int64_t kept = Sum(statistics.kept(layer));
    metrics.entropy = statistics.entropy_sum(layer) / tokens;
    metrics.dropped_share = Share(assigned - kept, assigned);
    metrics.balance_loss = statistics.balance(layer);
    metrics.balance_loss_scaled = coefficient * metrics.balance_loss;
    metrics.z_loss = statistics.z(layer);
    metrics.z_loss_scaled = model.router_z_loss_coef * metrics.z_loss;
    metrics.off_rank_share = Share(statistics.sent(layer), kept);
    const absl::Span<const int64_t> pairs = statistics.pairs(layer);
    metrics.repeat_first = Share(pairs[1], pairs[0]);
    metrics.repeat_first_or_second = model.experts_per_token > 1
                                         ? Share(pairs[2], pairs[0])
                                         : LayerMetrics::kNone;
  }
}

}  // namespace switchyard
