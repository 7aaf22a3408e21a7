// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/manifest.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

constexpr char kUnfinishedPrefix[] = ".unfinished-";

bool IsCheckpoint(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / Manifest::kFileName, ignored);
}

bool IsFolder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// The step in a name, or -1.
int64_t StepOf(const std::string& name) {
  constexpr absl::string_view kPrefix = "step-";
  int64_t step = 0;
  if (name.compare(0, kPrefix.size(), kPrefix.data()) != 0 ||
      !absl::SimpleAtoi(name.substr(kPrefix.size()), &step) || step < 0 ||
      CheckpointName(step) != name) {
    return -1;
  }
  return step;
}

}  // namespace

std::string CheckpointName(int64_t step) {
  return absl::StrFormat("step-%08d", step);
}

std::string UnfinishedName(int64_t step) {
  return absl::StrCat(kUnfinishedPrefix, CheckpointName(step));
}

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string UnfinishedPath(const std::string& path) {
  const fs::path target(WithoutSlash(path));
  return target.parent_path() /
         absl::StrCat(kUnfinishedPrefix, target.filename().string());
}

std::string RankFileName(int64_t rank) {
  return absl::StrFormat("rank-%05d.safetensors", rank);
}

absl::StatusOr<std::vector<CheckpointPlace>> ListCheckpoints(
    const std::string& folder) {
  std::vector<CheckpointPlace> places;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error == std::errc::no_such_file_or_directory) return places;
  if (error) return SystemError(error.value(), "open", folder);
  for (const fs::directory_entry& entry : entries) {
    const int64_t step = StepOf(entry.path().filename());
    if (step < 0 || !IsCheckpoint(entry.path())) continue;
    places.push_back({step, entry.path()});
  }
  std::sort(places.begin(), places.end(),
            [](const CheckpointPlace& a, const CheckpointPlace& b) {
              return a.step < b.step;
            });
  return places;
}

std::vector<std::string> ListUnfinished(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) return paths;
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename();
    if (name.rfind(kUnfinishedPrefix, 0) == 0) {
      paths.push_back(entry.path());
    }
  }
  return paths;
}

absl::Status DiscardCheckpoint(FileSystem& files, const std::string& path) {
  const fs::path place(path);
  const fs::path folder = place.parent_path();
  const std::string discarded =
      folder /
      absl::StrCat(kUnfinishedPrefix, place.filename().string(), ".old");
  SWITCHYARD_RETURN_IF_ERROR(files.RemoveFolder(discarded));
  SWITCHYARD_RETURN_IF_ERROR(files.Rename(path, discarded));
  SWITCHYARD_RETURN_IF_ERROR(files.SyncFolder(folder));
  return files.RemoveFolder(discarded);
}

absl::Status CheckNewFolder(const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(
        "expected a new folder to write to, found none; name one");
  }
  std::error_code ignored;
  // Also a link that leads nowhere.
  if (fs::exists(fs::symlink_status(path, ignored))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a new folder to write to, found ", Printable(path),
        ", which exists; remove it or give another path"));
  }
  const fs::path above = fs::path(path).parent_path();
  if (!above.empty() && fs::exists(above, ignored) && !IsFolder(above)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a folder to write ", Printable(path), " in, found ",
        Printable(above.string()), ", which is no folder; give another path"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FindCheckpoint(const std::string& path) {
  if (IsCheckpoint(path)) return path;
  const fs::path inner = fs::path(path) / kCheckpointsFolder;
  const std::string folder = IsFolder(inner) ? inner.string() : path;
  std::vector<CheckpointPlace> places;
  std::error_code ignored;
  // What is no folder holds none.
  if (IsFolder(folder) || !fs::exists(folder, ignored)) {
    SWITCHYARD_ASSIGN_OR_RETURN(places, ListCheckpoints(folder));
  }
  if (!places.empty()) return places.back().path;
  return absl::NotFoundError(
      absl::StrCat("expected a checkpoint (a folder with ", Manifest::kFileName,
                   ") or a run that has some, found ",
                   IsFolder(path) ? "none in " : "no folder ", Printable(path),
                   "; give another path"));
}

}  // namespace switchyard
