// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/byte_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

absl::Status CannotOpen(const std::string& path, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected a file of text that can be read, but ", path, " ",
                   why, "; give another file"));
}

absl::Status CannotOpen(const std::string& path, int error) {
  const absl::Status status =
      absl::ErrnoToStatus(error, absl::StrCat("cannot open ", path));
  return absl::Status(
      status.code(),
      absl::StrCat("expected a file of text that can be read, but ",
                   status.message(), "; give another file"));
}

// Exactly `count` bytes from `begin`. Plain reads and no mapping: a file that
// shrinks under a run is then an error with a name and not a fault.
absl::Status ReadBytes(int file, const std::string& path, int64_t begin,
                       int64_t count, uint8_t* bytes) {
  while (count > 0) {
    const ssize_t got = pread(file, bytes, static_cast<size_t>(count), begin);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
    }
    if (got == 0) {
      return absl::DataLossError(absl::StrCat(
          "expected ", path, " to keep its size, found its end ", "at byte ",
          begin, "; leave data files as they are during a run"));
    }
    bytes += got;
    begin += got;
    count -= got;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ByteFile>> ByteFile::Open(
    const std::string& path, int64_t vocabulary) {
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return CannotOpen(path, errno);
  struct stat info;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(file);
    return CannotOpen(path, "is not a regular file");
  }
  std::unique_ptr<ByteFile> result(
      new ByteFile(path, file, static_cast<int64_t>(info.st_size)));
  SWITCHYARD_RETURN_IF_ERROR(result->CheckVocabulary(vocabulary));
  return result;
}

ByteFile::~ByteFile() { close(file_); }

absl::Status ByteFile::CheckVocabulary(int64_t vocabulary) const {
  if (vocabulary >= 256) return absl::OkStatus();
  std::vector<uint8_t> bytes(size_t{1} << 20);
  for (int64_t begin = 0; begin < size_;) {
    const int64_t count =
        std::min(size_ - begin, static_cast<int64_t>(bytes.size()));
    SWITCHYARD_RETURN_IF_ERROR(
        ReadBytes(file_, path_, begin, count, bytes.data()));
    const auto end = bytes.begin() + count;
    const auto wrong = std::find_if(
        bytes.begin(), end, [&](uint8_t byte) { return byte >= vocabulary; });
    if (wrong != end) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected tokens below the model's vocabulary of ", vocabulary,
          ", found ", int{*wrong}, " at byte ", begin + (wrong - bytes.begin()),
          " of ", path_, "; use a model with vocab_size 256"));
    }
    begin += count;
  }
  return absl::OkStatus();
}

absl::Status ByteFile::Read(int64_t begin, int64_t count,
                            int32_t* tokens) const {
  SWITCHYARD_CHECK(begin >= 0 && count >= 0 && begin + count <= size_)
      << path_ << " " << begin << " " << count << " " << size_;
  // The bytes are read into the last quarter of the result, then widened from
  // the front: a token never lands on a byte that is still to be read.
  uint8_t* bytes = reinterpret_cast<uint8_t*>(tokens) + 3 * count;
  SWITCHYARD_RETURN_IF_ERROR(ReadBytes(file_, path_, begin, count, bytes));
  for (int64_t i = 0; i < count; ++i) {
    const int32_t token = bytes[i];
    tokens[i] = token;
  }
  return absl::OkStatus();
}

}  // namespace switchyard
