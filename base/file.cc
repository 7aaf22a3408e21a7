// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace switchyard {
namespace {

bool IsFull(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

absl::Status WriteAll(int file, absl::string_view content,
                      const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(errno, "write", path);
    content.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

// Opens a new file beside `path` and says which. A file that is there already
// is passed over: it may be what a process that was killed left, or belong to
// one with the same id on another host. The caller's umask holds, which
// mkostemp would not heed. -1 and errno if there is none.
int CreateBeside(const std::string& path, std::string& name) {
  constexpr int kNames = 10000;
  int file = -1;
  for (int i = 0; i < kNames && file < 0; ++i) {
    name = absl::StrCat(path, ".tmp.", getpid(), ".", i);
    file = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 && errno != EEXIST) break;
  }
  return file;
}

}  // namespace

absl::Status SystemError(int error, absl::string_view what,
                         const std::string& path) {
  const absl::Status status =
      absl::ErrnoToStatus(error, absl::StrCat("cannot ", what, " ", path));
  if (!IsFull(error)) return status;
  return absl::Status(
      status.code(),
      absl::StrCat(status.message(),
                   "; free some space there or write to another place"));
}

absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     size_t max_bytes) {
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return SystemError(errno, "open", path);
  const absl::Cleanup close_file = [file] { close(file); };
  struct stat info;
  if (fstat(file, &info) != 0) return SystemError(errno, "open", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a regular file; give another path"));
  }
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t count = read(file, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(errno, "read", path);
    if (count == 0) return content;
    if (content.size() + static_cast<size_t>(count) > max_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, " holds more than ", max_bytes, " bytes; give another path"));
    }
    content.append(buffer, static_cast<size_t>(count));
  }
}

absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view content) {
  std::string temporary;
  const int file = CreateBeside(path, temporary);
  if (file < 0) return SystemError(errno, "create", temporary);
  absl::Status status = WriteAll(file, content, temporary);
  if (fsync(file) != 0) status.Update(SystemError(errno, "write", temporary));
  if (close(file) != 0) status.Update(SystemError(errno, "write", temporary));
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError(errno, "create", path);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace switchyard
