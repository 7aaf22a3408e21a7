// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The checkpoints of one run: where it begins, and what it leaves. All
// functions are collective calls, and every rank gets the same status.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_RUN_CHECKPOINTS_H_
#define SWITCHYARD_LAUNCH_COMMANDS_RUN_CHECKPOINTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/launch/commands/run_start.h"
#include "switchyard/launch/commands/train_flags.h"
#include "switchyard/runtime/checkpoint/checkpoint_writer.h"
#include "switchyard/runtime/train/metrics_sink.h"
#include "switchyard/runtime/train/trainer.h"

namespace switchyard::launch {

class RunCheckpoints {
 public:
  // `sink` is told of those that are complete, on rank 0.
  RunCheckpoints(const TrainFlags& flags, comm::Communicator& world,
                 MetricsSink& sink)
      : flags_(flags), world_(world), sink_(sink) {}

  // Loads what the run begins with and prepares to write. Nothing of an earlier
  // run is touched yet. `run` describes this one.
  absl::Status Begin(Trainer& trainer, RunStart& start, const RunRecord& run);
  // Before the first step: a run that goes on in place drops the checkpoints
  // that it will come to again.
  absl::Status DropLaterOnes(const RunStart& start);
  // After each step.
  absl::Status AfterStep(int64_t step);
  // Waits for the last one.
  absl::Status Finish();

 private:
  absl::Status Load(Trainer& trainer, RunStart& start) const;
  std::string folder() const;

  const TrainFlags& flags_;
  comm::Communicator& world_;
  MetricsSink& sink_;
  std::unique_ptr<CheckpointWriter> writer_;  // null: none are written
};

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_RUN_CHECKPOINTS_H_
