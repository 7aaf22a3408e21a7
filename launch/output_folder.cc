// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"

namespace switchyard::launch {
namespace {

namespace fs = std::filesystem;

constexpr char kLock[] = ".switchyard.lock";
constexpr const char* kRunFiles[] = {
    OutputFolder::kMetrics, OutputFolder::kSummary, OutputFolder::kModel,
    OutputFolder::kFlags};

absl::Status CannotWrite(const std::string& what, int error) {
  const absl::Status status =
      absl::ErrnoToStatus(error, absl::StrCat("cannot create ", what));
  return absl::Status(
      status.code(),
      absl::StrCat("expected --out to be a folder that can be written, but ",
                   status.message(), "; give another folder"));
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

absl::Status LockedBy(const std::string& folder, const std::string& lock) {
  const absl::StatusOr<std::string> owner = ReadFile(lock, 4096);
  const bool known = owner.ok() && !owner->empty();
  return absl::FailedPreconditionError(absl::StrCat(
      "expected --out to be a folder of this run alone, but ", folder,
      " is being written by ",
      known ? Printable(absl::StripAsciiWhitespace(*owner)) : "another process",
      "; give another folder (if one job started several single ranks, use "
      "the mpirun of the MPI that switchyard was built with)"));
}

bool IsOpenFile(int file, const std::string& path) {
  struct stat opened, named;
  return fstat(file, &opened) == 0 && lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OutputFolder>> OutputFolder::Create(
    const std::string& path) {
  return Open(path, /*continues=*/false);
}

absl::StatusOr<std::unique_ptr<OutputFolder>> OutputFolder::Continue(
    const std::string& path) {
  return Open(path, /*continues=*/true);
}

absl::StatusOr<std::unique_ptr<OutputFolder>> OutputFolder::Open(
    const std::string& path, bool continues) {
  std::unique_ptr<OutputFolder> folder(new OutputFolder(path));
  SWITCHYARD_RETURN_IF_ERROR(folder->MakeFolders());
  SWITCHYARD_RETURN_IF_ERROR(folder->Lock());
  const absl::Status empty = folder->CheckEmpty();
  if (!continues) SWITCHYARD_RETURN_IF_ERROR(empty);
  folder->ours_ = empty.ok();
  SWITCHYARD_RETURN_IF_ERROR(folder->SignLock());
  return folder;
}

std::string OutputFolder::PathOf(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

absl::Status OutputFolder::Write(absl::string_view name,
                                 absl::string_view content) const {
  return WriteFileAtomically(PathOf(name), content);
}

absl::Status OutputFolder::MakeFolders() {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path at = fs::path(path_).lexically_normal();
       !at.empty() && !fs::exists(at, error) && !error; at = at.parent_path()) {
    missing.push_back(at);
  }
  std::reverse(missing.begin(), missing.end());
  for (const fs::path& folder : missing) {
    if (mkdir(folder.c_str(), 0777) == 0) {
      made_.push_back(folder);
    } else if (errno != EEXIST) {  // another process may have been faster
      return CannotWrite(folder.string(), errno);
    }
  }
  struct stat info;
  if (stat(path_.c_str(), &info) != 0) return CannotWrite(path_, errno);
  if (!S_ISDIR(info.st_mode)) return CannotWrite(path_, ENOTDIR);
  return absl::OkStatus();
}

// The lock is the kernel's, so it ends with its process. Where the file system
// knows no locks, the file itself is the lock. A link is never followed: it may
// lead to a file of somebody else.
absl::Status OutputFolder::Lock() {
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const std::string path = PathOf(kLock);
  while (true) {
    int file = open(path.c_str(), kFlags | O_CREAT | O_EXCL, 0666);
    const bool created = file >= 0;
    if (!created && errno != EEXIST) return CannotWrite(path, errno);
    if (!created) file = open(path.c_str(), kFlags);
    if (file < 0 && errno == ENOENT) continue;  // its owner has just left
    if (file < 0) return CannotWrite(path, errno);
    const bool locked = flock(file, LOCK_EX | LOCK_NB) == 0;
    const bool busy = !locked && errno == EWOULDBLOCK;
    if (!locked && (busy || !created)) {
      close(file);
      return LockedBy(path_, path);
    }
    if (IsOpenFile(file, path)) {
      lock_ = file;
      return absl::OkStatus();
    }
    close(file);  // its owner removed it between the two calls
  }
}

absl::Status OutputFolder::SignLock() const {
  const std::string owner =
      absl::StrCat("process ", getpid(), " on ", HostName(), "\n");
  if (ftruncate(lock_, 0) != 0) return CannotWrite(PathOf(kLock), errno);
  const ssize_t count = write(lock_, owner.data(), owner.size());
  if (count == static_cast<ssize_t>(owner.size())) return absl::OkStatus();
  // Less than asked for: there was no room for the rest.
  return CannotWrite(PathOf(kLock), count < 0 ? errno : ENOSPC);
}

absl::Status OutputFolder::CheckEmpty() const {
  for (const char* name : kRunFiles) {
    struct stat info;
    if (lstat(PathOf(name).c_str(), &info) == 0) {
      return absl::AlreadyExistsError(absl::StrCat(
          "expected --out to be a new folder, found ", name, " of a run in ",
          path_, "; give another folder or remove that run"));
    }
  }
  return absl::OkStatus();
}

void OutputFolder::Release() {
  const int lock = lock_.exchange(-1);
  if (lock >= 0) {
    if (ours_ && !keep_) {
      for (const char* name : kRunFiles) unlink(PathOf(name).c_str());
    }
    unlink(PathOf(kLock).c_str());
    close(lock);
  }
  if (keep_) return;
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) {
    rmdir(folder->c_str());
  }
}

OutputFolder::~OutputFolder() { Release(); }

}  // namespace switchyard::launch
