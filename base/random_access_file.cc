// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/random_access_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/file.h"

namespace switchyard {

absl::StatusOr<RandomAccessFile> RandomAccessFile::Open(
    const std::string& path) {
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return SystemError(errno, "open", path);
  struct stat info;
  if (fstat(file, &info) != 0) {
    const int error = errno;
    close(file);
    return SystemError(error, "open", path);
  }
  if (!S_ISREG(info.st_mode)) {
    close(file);
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a regular file; give another path"));
  }
  return RandomAccessFile(path, file, static_cast<int64_t>(info.st_size));
}

RandomAccessFile::RandomAccessFile(RandomAccessFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      size_(other.size_) {}

RandomAccessFile::~RandomAccessFile() {
  if (file_ >= 0) close(file_);
}

absl::Status RandomAccessFile::Read(int64_t begin, int64_t count,
                                    void* bytes) const {
  SWITCHYARD_CHECK(begin >= 0 && count >= 0 && count <= size_ &&
                   begin <= size_ - count)
      << path_ << " " << begin << " " << count << " " << size_;
  char* to = static_cast<char*>(bytes);
  // Who reads much goes on behind it: the disk may begin with that.
  constexpr int64_t kMuch = int64_t{1} << 20, kAhead = int64_t{1} << 23;
  if (count >= kMuch) {
    posix_fadvise(file_, static_cast<off_t>(begin + count), kAhead,
                  POSIX_FADV_WILLNEED);
  }
  while (count > 0) {
    const ssize_t got = pread(file_, to, static_cast<size_t>(count), begin);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, "read", path_);
    if (got == 0) {
      return absl::DataLossError(absl::StrCat(
          "expected ", path_, " to keep its size, found its end at byte ",
          begin, "; leave it as it is while it is read"));
    }
    to += got;
    begin += got;
    count -= got;
  }
  return absl::OkStatus();
}

}  // namespace switchyard
