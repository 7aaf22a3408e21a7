// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Several sinks as one.
#ifndef SWITCHYARD_RUNTIME_TRAIN_SINK_LIST_H_
#define SWITCHYARD_RUNTIME_TRAIN_SINK_LIST_H_

#include <memory>
#include <vector>

#include "switchyard/runtime/train/metrics_sink.h"

namespace switchyard {

class SinkList : public MetricsSink {
 public:
  void Add(std::unique_ptr<MetricsSink> sink);

  // Each is told, in the order of Add, whatever the others return; the first
  // error is returned.
  absl::Status OnStep(const StepMetrics& metrics) override;
  absl::Status OnEval(const EvalMetrics& metrics) override;
  absl::Status OnEnd(const RunSummary& summary) override;
  absl::Status OnCheckpoint(const CheckpointReport& report) override;

 private:
  std::vector<std::unique_ptr<MetricsSink>> sinks_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_SINK_LIST_H_
