// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/ledger/ledger_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"

namespace switchyard::comm::ledger {
namespace {

absl::Status SystemError(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// Whoever gets the lock of a ledger knows that its owner is gone.
void RemoveIfLeftOver(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return;  // another user's, or gone already
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) unlink(path.c_str());
  close(descriptor);
}

void RemoveLeftOvers(const std::string& directory) {
  DIR* entries = opendir(directory.c_str());
  if (entries == nullptr) return;
  while (const dirent* entry = readdir(entries)) {
    if (absl::StartsWith(entry->d_name, kFilePrefix)) {
      RemoveIfLeftOver(absl::StrCat(directory, "/", entry->d_name));
    }
  }
  closedir(entries);
}

// Waits for it: whoever takes the file for a left-over holds it for a moment.
bool Lock(int descriptor) {
  while (flock(descriptor, LOCK_EX) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

// An open, locked file that has its name; -1 with errno otherwise. Between
// creation and lock another job may take it for a left-over and remove it.
int CreateLocked(const std::string& path) {
  for (;;) {
    const int descriptor =
        open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) return -1;
    struct stat info = {};
    if (!Lock(descriptor) || fstat(descriptor, &info) != 0) {
      const int error = errno;
      unlink(path.c_str());
      close(descriptor);
      errno = error;
      return -1;
    }
    if (info.st_nlink > 0) return descriptor;
    close(descriptor);
  }
}

}  // namespace

LedgerFile::LedgerFile(int descriptor, void* data, size_t bytes,
                       std::string path, bool owner)
    : descriptor_(descriptor),
      data_(data),
      bytes_(bytes),
      path_(std::move(path)),
      owner_(owner) {}

absl::StatusOr<std::unique_ptr<LedgerFile>> LedgerFile::Create(
    const std::string& directory, const std::string& name, size_t bytes) {
  RemoveLeftOvers(directory);
  const std::string path = absl::StrCat(directory, "/", kFilePrefix, name);
  const int descriptor = CreateLocked(path);
  if (descriptor < 0) return SystemError(path);
  void* data = MAP_FAILED;
  if (ftruncate(descriptor, static_cast<off_t>(bytes)) == 0) {
    data =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  }
  if (data == MAP_FAILED) {
    const absl::Status status = SystemError(path);
    unlink(path.c_str());
    close(descriptor);
    return status;
  }
  return std::unique_ptr<LedgerFile>(
      new LedgerFile(descriptor, data, bytes, path, /*owner=*/true));
}

std::unique_ptr<LedgerFile> LedgerFile::InMemory(size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SWITCHYARD_CHECK(data != MAP_FAILED)
      << "out of memory: " << bytes << " bytes were asked for";
  return std::unique_ptr<LedgerFile>(
      new LedgerFile(-1, data, bytes, "", /*owner=*/true));
}

std::unique_ptr<LedgerFile> LedgerFile::OpenForReading(const std::string& path,
                                                       size_t bytes) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return nullptr;
  struct stat info = {};
  void* data = MAP_FAILED;
  // A shorter file would fault when it is read.
  if (fstat(descriptor, &info) == 0 &&
      info.st_size >= static_cast<off_t>(bytes)) {
    data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  }
  if (data == MAP_FAILED) {
    close(descriptor);
    return nullptr;
  }
  return std::unique_ptr<LedgerFile>(
      new LedgerFile(descriptor, data, bytes, path, /*owner=*/false));
}

LedgerFile::~LedgerFile() {
  munmap(data_, bytes_);
  if (owner_ && !path_.empty()) unlink(path_.c_str());
  if (descriptor_ >= 0) close(descriptor_);
}

bool LedgerFile::OwnerIsGone() const {
  if (flock(descriptor_, LOCK_SH | LOCK_NB) != 0) return false;
  flock(descriptor_, LOCK_UN);
  return true;
}

bool LedgerFile::Reserve(size_t offset, size_t bytes) {
  if (descriptor_ < 0) return true;
  return posix_fallocate(descriptor_, static_cast<off_t>(offset),
                         static_cast<off_t>(bytes)) == 0;
}

}  // namespace switchyard::comm::ledger
