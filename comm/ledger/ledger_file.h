// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory of a ledger: a file that other processes of the host can map, or
// memory of this process alone. The owner of a file holds a lock on it for as
// long as it lives, however it dies; a file that nobody locks is left over from
// a job that was killed, and the next one removes it.
#ifndef SWITCHYARD_COMM_LEDGER_LEDGER_FILE_H_
#define SWITCHYARD_COMM_LEDGER_LEDGER_FILE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace switchyard::comm::ledger {

class LedgerFile {
 public:
  // A new file `name` in `directory`, mapped and locked. Its space is not
  // reserved yet. Removes left-over ledgers of the same user there.
  static absl::StatusOr<std::unique_ptr<LedgerFile>> Create(
      const std::string& directory, const std::string& name, size_t bytes);
  // Zeroed memory without a file.
  static std::unique_ptr<LedgerFile> InMemory(size_t bytes);
  // Another process's file, for reading; null if it cannot be read.
  static std::unique_ptr<LedgerFile> OpenForReading(const std::string& path,
                                                    size_t bytes);

  // Removes the file if this is its owner.
  ~LedgerFile();
  LedgerFile(const LedgerFile&) = delete;
  LedgerFile& operator=(const LedgerFile&) = delete;

  void* data() const { return data_; }
  // Empty for memory without a file.
  const std::string& path() const { return path_; }
  // Of a file opened for reading: whether its owner is gone.
  bool OwnerIsGone() const;
  // Makes sure that stores to these bytes cannot fail for want of space.
  bool Reserve(size_t offset, size_t bytes);

 private:
  LedgerFile(int descriptor, void* data, size_t bytes, std::string path,
             bool owner);

  const int descriptor_;  // -1: none
  void* const data_;
  const size_t bytes_;
  const std::string path_;
  const bool owner_;
};

// What the names of all ledgers begin with.
inline constexpr char kFilePrefix[] = "switchyard-ledger-";

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_LEDGER_FILE_H_
