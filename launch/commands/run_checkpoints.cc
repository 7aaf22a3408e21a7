// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/run_checkpoints.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/restore.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::launch {

absl::Status RunCheckpoints::Begin(Trainer& trainer, RunStart& start,
                                   const RunRecord& run) {
  comm::Communicator& world = trainer.grid().world();
  Stream& stream = trainer.runner().stream();
  const ParameterStore& store = trainer.runner().store();
  VisitState visit = [&trainer](StateVisitor& visitor) {
    return trainer.VisitState(visitor);
  };
  if (start.checkpoint.has_value()) {
    SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(
        world, start.resumes
                   ? RestoreState(*start.checkpoint, store, stream, visit)
                   : RestoreWeights(*start.checkpoint, store, stream, visit)));
  }
  if (flags_.options.checkpoint_every == 0) return absl::OkStatus();
  CheckpointWriterOptions options;
  options.folder = absl::StrCat(flags_.out, "/", kCheckpointsFolder);
  options.keep = flags_.keep;
  options.on_complete = [this](const CheckpointReport& report) {
    return sink_.OnCheckpoint(report);
  };
  SWITCHYARD_ASSIGN_OR_RETURN(
      writer_, CheckpointWriter::Create(std::move(options), run, world, stream,
                                        std::move(visit)));
  return absl::OkStatus();
}

absl::Status RunCheckpoints::AfterStep(int64_t step) {
  if (writer_ == nullptr) return absl::OkStatus();
  const TrainOptions& o = flags_.options;
  const bool last = step == o.steps || (o.stop_at > 0 && step == o.stop_at);
  if (last || step % o.checkpoint_every == 0) return writer_->Save();
  return writer_->Poll();
}

absl::Status RunCheckpoints::Finish() {
  return writer_ == nullptr ? absl::OkStatus() : writer_->Finish();
}

}  // namespace switchyard::launch
