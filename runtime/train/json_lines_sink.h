// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// metrics.jsonl: one JSON object a line for each step and each evaluation.
// Every line is written whole, as soon as it is known. What is absent or not
// finite is null: the grad_norm of a skipped step, say.
#ifndef SWITCHYARD_RUNTIME_TRAIN_JSON_LINES_SINK_H_
#define SWITCHYARD_RUNTIME_TRAIN_JSON_LINES_SINK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "switchyard/runtime/train/json_text.h"
#include "switchyard/runtime/train/metrics_sink.h"

namespace switchyard {

class JsonLinesSink : public MetricsSink {
 public:
  // An error if the file exists or cannot be made.
  static absl::StatusOr<std::unique_ptr<JsonLinesSink>> Create(
      const std::string& path);
  // Goes on with the file of a run that is resumed after `step` steps: lines of
  // later ones are removed, and that of the evaluation after it where it
  // `evaluates_again`. The file is replaced at once or not at all.
  static absl::StatusOr<std::unique_ptr<JsonLinesSink>> Continue(
      const std::string& path, int64_t step, bool evaluates_again);
  ~JsonLinesSink() override;

  absl::Status OnStep(const StepMetrics& metrics) override;
  absl::Status OnEval(const EvalMetrics& metrics) override;
  absl::Status OnEnd(const RunSummary& summary) override;
  absl::Status OnCheckpoint(const CheckpointReport& report) override;

 private:
  JsonLinesSink(std::string path, int file)
      : path_(std::move(path)), file_(file) {}

  absl::Status WriteLine();

  const std::string path_;
  const int file_;
  JsonText json_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_JSON_LINES_SINK_H_
