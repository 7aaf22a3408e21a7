// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/sink_list.h"

#include <utility>

namespace switchyard {

void SinkList::Add(std::unique_ptr<MetricsSink> sink) {
  sinks_.push_back(std::move(sink));
}

absl::Status SinkList::OnStep(const StepMetrics& metrics) {
  absl::Status status;
  for (const auto& sink : sinks_) status.Update(sink->OnStep(metrics));
  return status;
}

absl::Status SinkList::OnEval(const EvalMetrics& metrics) {
  absl::Status status;
  for (const auto& sink : sinks_) status.Update(sink->OnEval(metrics));
  return status;
}

absl::Status SinkList::OnCheckpoint(const CheckpointReport& report) {
  absl::Status status;
  for (const auto& sink : sinks_) status.Update(sink->OnCheckpoint(report));
  return status;
}

absl::Status SinkList::OnEnd(const RunSummary& summary) {
  absl::Status status;
  for (const auto& sink : sinks_) status.Update(sink->OnEnd(summary));
  return status;
}

}  // namespace switchyard
