// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a run reports, and who gets it. The trainer calls the sink on rank 0
// only.
#ifndef SWITCHYARD_RUNTIME_TRAIN_METRICS_SINK_H_
#define SWITCHYARD_RUNTIME_TRAIN_METRICS_SINK_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/runtime/checkpoint/checkpoint_report.h"
#include "switchyard/runtime/train/layer_metrics.h"

namespace switchyard {

struct StepMetrics {
  int64_t step = 0;            // counted from 1: steps done
  std::optional<double> loss;  // nats a token, cross-entropy alone; absent if
                               // no label of the step counts
  double balance_loss = 0.0;   // summed over layers, without coefficient
  double z_loss = 0.0;         // likewise
  // Likewise, of DeepSeek-V2's losses; absent where they are off.
  std::optional<double> device_balance_loss;
  std::optional<double> communication_balance_loss;
  double grad_norm = 0.0;  // before clipping; NaN if the step was skipped
  double learning_rate = 0.0;
  int64_t tokens = 0;              // valid tokens of the step, all ranks
  double tokens_per_second = 0.0;  // all ranks together
  double step_seconds = 0.0;
  int64_t dropped = 0;  // assignments without a place at their expert
  double max_load =
      0.0;  // largest load of an expert over the mean, worst layer
  double dropped_share = 0.0;  // of all assignments
  int64_t dead_experts = 0;    // without an assignment, of all layers
  bool skipped = false;        // a bad gradient was not applied
  // Where the step has them (TrainOptions::layer_metrics_every), else empty.
  // They are the trainer's, and valid until its next step.
  absl::Span<const LayerMetrics> layers;
};

struct EvalMetrics {
  int64_t step = 0;                 // steps done before it
  std::optional<double> eval_loss;  // nats a token
  std::optional<double> bits_per_byte;
  int64_t tokens = 0;
};

// Once, at the end.
struct RunSummary {
  int64_t steps = 0;
  int64_t skipped_steps = 0;
  std::optional<EvalMetrics> first_eval;
  std::optional<EvalMetrics> last_eval;
  double median_tokens_per_second = 0.0;  // of the last 4096 steps
  double seconds = 0.0;                   // of training, evaluations included
  int64_t dropped = 0;                    // of the whole run
  double last_max_load = 0.0;
  int64_t peak_rank_bytes = 0;      // tensor memory of the fullest rank
  int64_t peak_resident_bytes = 0;  // of the fullest process
  std::string weights_checksum;     // of all weights, any layout
};

class MetricsSink {
 public:
  virtual ~MetricsSink() = default;
  // An error ends the run (a full disk, say).
  virtual absl::Status OnStep(const StepMetrics& metrics) = 0;
  virtual absl::Status OnEval(const EvalMetrics& metrics) = 0;
  virtual absl::Status OnEnd(const RunSummary& summary) = 0;
  // A checkpoint is complete, some steps after its own. Nothing by default.
  virtual absl::Status OnCheckpoint(const CheckpointReport&) {
    return absl::OkStatus();
  }
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_METRICS_SINK_H_
