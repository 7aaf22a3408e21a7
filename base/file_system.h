// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The calls by which files come to be. What survives a crash depends on their
// order, so whoever must survive one makes them through this interface, and a
// test can stand in between and lose what was not synced.
//
//   auto file = files.Create("new/data");      // what is written is in
//   nobody's file->Append(bytes); file->Sync();         // sight
//   files.SyncFolder("new");                   // now the name is there too
//   files.Rename("new", "done"); files.SyncFolder(".");
//
// Errors name the path and the system's reason, and say what to do where the
// place is full.
#ifndef SWITCHYARD_BASE_FILE_SYSTEM_H_
#define SWITCHYARD_BASE_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard {

// Closed when it is destroyed.
class NewFile {
 public:
  virtual ~NewFile() = default;
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // Replaces bytes that were appended.
  virtual absl::Status Rewrite(int64_t offset, absl::string_view bytes) = 0;
  // The content survives a crash of the machine. Its name does only after
  // SyncFolder of its folder.
  virtual absl::Status Sync() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // A file of this name must not exist.
  virtual absl::StatusOr<std::unique_ptr<NewFile>> Create(
      const std::string& path) = 0;
  // And those above it; their names survive a crash. One that exists is no
  // error.
  virtual absl::Status MakeFolder(const std::string& path) = 0;
  // The names in the folder survive a crash of the machine.
  virtual absl::Status SyncFolder(const std::string& path) = 0;
  // Nothing of the new name may exist.
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  // A folder with all that is in it; nothing there is no error.
  virtual absl::Status RemoveFolder(const std::string& path) = 0;
};

// That of the system.
FileSystem& SystemFiles();

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_FILE_SYSTEM_H_
