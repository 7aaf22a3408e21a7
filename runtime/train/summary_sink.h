// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// summary.json: what a run was and what came out, written once, at its end. Its
// fields are RunSummary's (metrics_sink.h): median_tokens_per_second is that of
// the last 4096 steps.
#ifndef SWITCHYARD_RUNTIME_TRAIN_SUMMARY_SINK_H_
#define SWITCHYARD_RUNTIME_TRAIN_SUMMARY_SINK_H_

#include <cstdint>
#include <string>
#include <utility>

#include "switchyard/runtime/train/metrics_sink.h"

namespace switchyard {

// How a run was computed; none of it but the instruction set changes a bit.
struct RunDescription {
  std::string version;  // of Switchyard
  std::string dtype;
  std::string determinism;
  std::string instruction_set;
  int64_t ranks = 1;
  int64_t nodes = 1;
  int64_t expert_parallel = 1;
  int64_t threads = 1;  // of a rank
};

class SummarySink : public MetricsSink {
 public:
  SummarySink(std::string path, RunDescription description)
      : path_(std::move(path)), description_(std::move(description)) {}

  absl::Status OnStep(const StepMetrics&) override { return absl::OkStatus(); }
  absl::Status OnEval(const EvalMetrics&) override { return absl::OkStatus(); }
  absl::Status OnEnd(const RunSummary& summary) override;

 private:
  const std::string path_;
  const RunDescription description_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_SUMMARY_SINK_H_
