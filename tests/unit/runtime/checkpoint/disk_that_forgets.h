// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A file system that loses power. Calls go to a real folder, which is what the
// running program sees; what a crash would leave of it is kept apart: contents
// that were synced, under names that were synced.
#ifndef SWITCHYARD_TESTS_UNIT_RUNTIME_CHECKPOINT_DISK_THAT_FORGETS_H_
#define SWITCHYARD_TESTS_UNIT_RUNTIME_CHECKPOINT_DISK_THAT_FORGETS_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "switchyard/base/file_system.h"

namespace switchyard::testing {

class DiskThatForgets : public FileSystem {
 public:
  // `root` exists and is empty.
  explicit DiskThatForgets(std::string root);
  ~DiskThatForgets() override;

  // Call number `call`, from 1, and all after it fail: the power is off. 0: it
  // stays on.
  void FailFrom(int call);
  int calls() const;

  // Makes `folder`, which must not exist, what the disk would hold after the
  // crash.
  void WriteSurvivors(const std::string& folder) const;

  absl::StatusOr<std::unique_ptr<NewFile>> Create(
      const std::string& path) override;
  absl::Status MakeFolder(const std::string& path) override;
  absl::Status SyncFolder(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status RemoveFolder(const std::string& path) override;

 private:
  struct Node;
  class File;
  using Entries = std::map<std::string, std::shared_ptr<Node>>;

  absl::Status Count();
  // The node of a path in the folder that the program sees; null if there is
  // none.
  std::shared_ptr<Node> Find(const std::string& path) const;
  std::shared_ptr<Node> FolderOf(const std::string& path) const;
  static void Write(const Node& folder, const std::string& path);

  mutable std::mutex mutex_;
  const std::string root_;
  std::shared_ptr<Node> tree_;
  int calls_ = 0;
  int fail_from_ = 0;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_UNIT_RUNTIME_CHECKPOINT_DISK_THAT_FORGETS_H_
