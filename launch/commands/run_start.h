// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a run begins: at step 0, with the weights of a checkpoint, or where
// another run was.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_RUN_START_H_
#define SWITCHYARD_LAUNCH_COMMANDS_RUN_START_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/launch/commands/train_flags.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/manifest.h"

namespace switchyard::launch {

struct RunStart {
  bool resumes = false;                  // else it begins at step 0
  std::optional<Checkpoint> checkpoint;  // none: with initial weights
  int64_t step() const { return resumes ? checkpoint->manifest().step() : 0; }
};

// By --resume and --init_from. Rank 0 looks, all ranks open what it found. A
// collective call.
absl::StatusOr<RunStart> FindStart(const TrainFlags& flags,
                                   comm::Communicator& world);

// Whether a run goes on in the folder that it was begun in, or begins there
// again.
bool ContinuesInPlace(const TrainFlags& flags, const RunStart& start);

// Whether the folder of a run without a checkpoint may be used again: it is
// new, or holds this run, by its flags but for those that may differ, and it
// did not come to its end. `flag_file` is what this run would write there.
absl::Status CheckUnfinished(const std::string& folder,
                             const std::string& flag_file);

// What a checkpoint and the run that goes on from it may not differ in: an
// error names it. What may differ is added to `notes`, one flag or fact each.
absl::Status CompareRuns(const RunRecord& saved, const RunRecord& now,
                         std::vector<std::string>* notes);

// What to say where the arithmetic is another one; empty where it is not.
std::string NoteOnArithmetic(const RunRecord& saved, uint64_t arithmetic);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_RUN_START_H_
