// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A regular file that is read at random. Plain reads and no mapping: a file
// that shrinks under a run is then an error with a name and not a fault, and
// pages that were read do not count as memory of the process.
#ifndef SWITCHYARD_BASE_RANDOM_ACCESS_FILE_H_
#define SWITCHYARD_BASE_RANDOM_ACCESS_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace switchyard {

class RandomAccessFile {
 public:
  // An error names the path and the reason; a folder, a device or a pipe is
  // InvalidArgument.
  static absl::StatusOr<RandomAccessFile> Open(const std::string& path);
  ~RandomAccessFile();
  RandomAccessFile(RandomAccessFile&& other) noexcept;
  RandomAccessFile& operator=(RandomAccessFile&&) = delete;

  const std::string& path() const { return path_; }
  // Bytes, when it was opened.
  int64_t size() const { return size_; }

  // Bytes [begin, begin + count), which must lie inside the file. DataLoss if
  // the file has become shorter. Several threads may read at once.
  absl::Status Read(int64_t begin, int64_t count, void* bytes) const;

 private:
  RandomAccessFile(std::string path, int file, int64_t size)
      : path_(std::move(path)), file_(file), size_(size) {}

  std::string path_;
  int file_;
  int64_t size_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_RANDOM_ACCESS_FILE_H_
