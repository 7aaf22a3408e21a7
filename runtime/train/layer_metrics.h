// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a step reports of each layer of experts (docs/metrics.md). Counts are
// exact sums over the ranks; shares and means are made from them once, so no
// bit depends on the layout, but for off_rank_share, which describes it.
#ifndef SWITCHYARD_RUNTIME_TRAIN_LAYER_METRICS_H_
#define SWITCHYARD_RUNTIME_TRAIN_LAYER_METRICS_H_

#include <cstdint>
#include <limits>
#include <optional>

#include "absl/types/span.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard {

class StepStatistics;

struct LayerMetrics {
  // NaN: there is nothing to take a share or a mean of.
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  int64_t layer = 0;
  // Assignments before dropping, by expert. Valid until the next step.
  absl::Span<const int64_t> load;
  // Why not all were kept, by the expert that was chosen (moe/routing.h); empty
  // where training has no capacity. over_capacity less rerouted is what was
  // dropped; lost_tokens are tokens, not assignments.
  absl::Span<const int64_t> over_capacity;
  absl::Span<const int64_t> rerouted;
  absl::Span<const int64_t> lost_tokens;
  double max_load = kNone;       // largest load over the mean
  double max_vio = kNone;        // (largest load - mean) / mean (2408.15664)
  int64_t dead_experts = 0;      // without an assignment
  double entropy = kNone;        // nats; kernels/routing_statistics.h, mean
  double dropped_share = kNone;  // of the assignments
  double balance_loss = 0.0;     // without coefficient
  double balance_loss_scaled = 0.0;  // as it is in the objective
  double z_loss = 0.0;
  double z_loss_scaled = 0.0;
  // Of the bias that is added to scores where experts are chosen, if there is
  // one.
  std::optional<double> bias_min;
  std::optional<double> bias_max;
  double off_rank_share = kNone;  // of the kept assignments
  // Of consecutive tokens: those with the same first choice, and those whose
  // two best choices have an expert in common (2401.04088, table 5).
  double repeat_first = kNone;
  double repeat_first_or_second = kNone;
};

// After StepStatistics::ShareResults. One entry for each layer with experts,
// whose number is set.
void FillLayerMetrics(const StepStatistics& statistics,
                      const TrainOptions& options,
                      absl::Span<LayerMetrics> layers);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_LAYER_METRICS_H_
