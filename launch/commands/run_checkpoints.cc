// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/run_checkpoints.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/restore.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::launch {
namespace {

VisitState VisitOf(Trainer& trainer) {
  return
      [&trainer](StateVisitor& visitor) { return trainer.VisitState(visitor); };
}

}  // namespace

std::string RunCheckpoints::folder() const {
  return absl::StrCat(flags_.out, "/", kCheckpointsFolder);
}

absl::Status RunCheckpoints::Load(Trainer& trainer, RunStart& start) {
  if (!start.checkpoint.has_value()) return absl::OkStatus();
  Stream& stream = trainer.runner().stream();
  const ParameterStore& store = trainer.runner().store();
  return AgreeOnStatus(
      trainer.grid().world(),
      start.resumes
          ? RestoreState(*start.checkpoint, store, stream, VisitOf(trainer))
          : RestoreWeights(*start.checkpoint, store, stream, VisitOf(trainer)));
}

// They are of a run that is given up, and would be taken for the newest.
absl::Status RunCheckpoints::DropLaterOnes(const RunStart& start) const {
  if (!ContinuesInPlace(flags_, start)) return absl::OkStatus();
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<CheckpointPlace> places,
                              ListCheckpoints(folder()));
  for (const CheckpointPlace& place : places) {
    if (place.step <= start.step()) continue;
    SWITCHYARD_RETURN_IF_ERROR(DiscardCheckpoint(SystemFiles(), place.path));
  }
  return absl::OkStatus();
}

absl::Status RunCheckpoints::Begin(Trainer& trainer, const RunStart& start,
                                   const RunRecord& run) {
  comm::Communicator& world = trainer.grid().world();
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(
      world, world.rank() == 0 ? DropLaterOnes(start) : absl::OkStatus()));
  if (flags_.options.checkpoint_every == 0) return absl::OkStatus();
  CheckpointWriterOptions options;
  options.folder = folder();
  options.keep = flags_.keep;
  options.on_complete = [this](const CheckpointReport& report) {
    return sink_.OnCheckpoint(report);
  };
  SWITCHYARD_ASSIGN_OR_RETURN(
      writer_,
      CheckpointWriter::Create(std::move(options), run, world,
                               trainer.runner().stream(), VisitOf(trainer)));
  return absl::OkStatus();
}

absl::Status RunCheckpoints::AfterStep(int64_t step) {
  if (writer_ == nullptr) return absl::OkStatus();
  const TrainOptions& o = flags_.options;
  if (step == LastStep(o) || step % o.checkpoint_every == 0)
    return writer_->Save();
  return writer_->Poll();
}

absl::Status RunCheckpoints::Finish() {
  return writer_ == nullptr ? absl::OkStatus() : writer_->Finish();
}

}  // namespace switchyard::launch
