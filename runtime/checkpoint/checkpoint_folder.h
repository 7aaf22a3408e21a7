// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a run's checkpoints lie:
//
//   RUN/checkpoints/step-00000100/manifest.json
//                                 rank-00000.safetensors ...
//
// One that is being written has a name that begins with a dot, and gets its own
// when it is complete and on the disk.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_FOLDER_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_FOLDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/file_system.h"

namespace switchyard {

// Of a run's folder.
inline constexpr char kCheckpointsFolder[] = "checkpoints";

struct CheckpointPlace {
  int64_t step = 0;
  std::string path;
};

// "step-00000100"
std::string CheckpointName(int64_t step);
// Begins with a dot.
std::string UnfinishedName(int64_t step);
std::string RankFileName(int64_t rank);

// Where what becomes `path` is written: beside it, under a name that no
// checkpoint has. Slashes at the end do not count.
std::string UnfinishedPath(const std::string& path);
std::string WithoutSlash(std::string path);

// The complete checkpoints in a folder, by step; none if there is no folder.
absl::StatusOr<std::vector<CheckpointPlace>> ListCheckpoints(
    const std::string& folder);
// Folders in it that a run has left unfinished.
std::vector<std::string> ListUnfinished(const std::string& folder);

// Removes a complete checkpoint: its name goes, for good, before anything in
// it, so that what has a checkpoint's name is whole.
absl::Status DiscardCheckpoint(FileSystem& files, const std::string& path);

// What a user means by `path`: a checkpoint, or the newest one of a run or of a
// folder of checkpoints. An error, one sentence, names `path` and what was
// there.
absl::StatusOr<std::string> FindCheckpoint(const std::string& path);

// An error if `path` cannot become a new folder: it exists, or what it is to
// lie in is none.
absl::Status CheckNewFolder(const std::string& path);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_FOLDER_H_
