// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Progress for the person who watches: on a terminal a single line that is
// rewritten, elsewhere plain lines; at the end a table.
#ifndef SWITCHYARD_RUNTIME_TRAIN_CONSOLE_SINK_H_
#define SWITCHYARD_RUNTIME_TRAIN_CONSOLE_SINK_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"
#include "switchyard/runtime/train/metrics_sink.h"

namespace switchyard {

struct ConsoleOptions {
  int64_t last_step = 0;  // the run ends after it
  int64_t log_every = 1;  // steps between lines
  bool live = false;      // rewrite one line; `columns` cuts it
  int columns = 80;
};

class ConsoleSink : public MetricsSink {
 public:
  // `stream` must outlive the sink.
  ConsoleSink(std::FILE* stream, const ConsoleOptions& options)
      : stream_(stream), options_(options) {}

  // Ends the live line: what is said next has a line of its own.
  ~ConsoleSink() override;

  absl::Status OnStep(const StepMetrics& metrics) override;
  absl::Status OnEval(const EvalMetrics& metrics) override;
  absl::Status OnEnd(const RunSummary& summary) override;
  absl::Status OnCheckpoint(const CheckpointReport& report) override;

 private:
  // A line that stays.
  void Print(absl::string_view line);
  // A line that the next one replaces, where the terminal can.
  void PrintProgress(absl::string_view line);

  std::FILE* const stream_;
  const ConsoleOptions options_;
  double step_seconds_ = 0.0;  // average of late steps
  bool live_line_ = false;     // one stands at the cursor
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_CONSOLE_SINK_H_
