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

absl::Status RunCheckpoints::Load(Trainer& trainer, RunStart& start) const {
  if (!start.checkpoint.has_value()) return absl::OkStatus();
  Stream& stream = trainer.runner().stream();
  const ParameterStore& store = trainer.runner().store();
  return AgreeOnStatus(
      world_,
      start.resumes
          ? RestoreState(*start.checkpoint, store, stream, VisitOf(trainer))
          : RestoreWeights(*start.checkpoint, store, stream, VisitOf(trainer)));
}

absl::Status RunCheckpoints::Begin(Trainer& trainer, RunStart& start,
                                   const RunRecord& run) {
  SWITCHYARD_RETURN_IF_ERROR(Load(trainer, start));
  if (flags_.options.checkpoint_every == 0) return absl::OkStatus();
  CheckpointWriterOptions options;
  options.folder = folder();
  options.keep = flags_.keep;
  options.on_complete = [this](const CheckpointReport& report) {
    return sink_.OnCheckpoint(report);
  };
  SWITCHYARD_ASSIGN_OR_RETURN(
      writer_,
      CheckpointWriter::Create(std::move(options), run, world_,
                               trainer.runner().stream(), VisitOf(trainer)));
  return absl::OkStatus();
}

// They are of a run that is given up, and would be taken for the newest.
absl::Status RunCheckpoints::DropLaterOnes(const RunStart& start) {
  absl::Status status;
  if (world_.rank() == 0 && ContinuesInPlace(flags_, start)) {
    const auto places = ListCheckpoints(folder());
    status = places.status();
    for (size_t i = 0; status.ok() && i < places->size(); ++i) {
      const CheckpointPlace& place = (*places)[i];
      if (place.step <= start.step()) continue;
      status = DiscardCheckpoint(SystemFiles(), place.path);
    }
  }
  return AgreeOnStatus(world_, status);
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
