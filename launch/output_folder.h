// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The folder of one run. Made by one process, locked against all others, and
// gone again if the run does not begin.
#ifndef SWITCHYARD_LAUNCH_OUTPUT_FOLDER_H_
#define SWITCHYARD_LAUNCH_OUTPUT_FOLDER_H_

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard::launch {

class OutputFolder {
 public:
  static constexpr char kModel[] = "config.json";
  static constexpr char kFlags[] = "flags.txt";
  static constexpr char kMetrics[] = "metrics.jsonl";
  static constexpr char kSummary[] = "summary.json";

  // Makes the folder, and those above it, and takes its lock. An error, one
  // sentence, if it cannot be written, holds a run (one of the files above), or
  // is locked by another process.
  static absl::StatusOr<std::unique_ptr<OutputFolder>> Create(
      const std::string& path);
  // The same, but a run that is there goes on.
  static absl::StatusOr<std::unique_ptr<OutputFolder>> Continue(
      const std::string& path);

  // Releases the lock. Unless Keep was called, removes the files above that
  // this run wrote and the folders that Create made.
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string PathOf(absl::string_view name) const;
  absl::Status Write(absl::string_view name, absl::string_view content) const;

  // The run has begun: what is in the folder stays.
  void Keep() { keep_ = true; }

  // What the destructor does, for a process that ends without one.
  void Release();

 private:
  explicit OutputFolder(std::string path) : path_(std::move(path)) {}

  static absl::StatusOr<std::unique_ptr<OutputFolder>> Open(
      const std::string& path, bool continues);

  absl::Status MakeFolders();
  absl::Status Lock();
  absl::Status CheckEmpty() const;
  // Writes into the lock whose it is.
  absl::Status SignLock() const;

  const std::string path_;
  std::vector<std::filesystem::path> made_;  // outermost first
  std::atomic<int> lock_{-1};
  // Locked, and no file of a run was there.
  bool ours_ = false;
  std::atomic<bool> keep_{false};
};

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_OUTPUT_FOLDER_H_
