// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/file_system.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "switchyard/base/check.h"
#include "switchyard/base/file.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

class SystemFile : public NewFile {
 public:
  SystemFile(std::string path, int file)
      : path_(std::move(path)), file_(file) {}
  ~SystemFile() override { close(file_); }

  absl::Status Append(absl::string_view bytes) override {
    const int64_t begin = size_;
    size_ += static_cast<int64_t>(bytes.size());
    SWITCHYARD_RETURN_IF_ERROR(WriteAt(begin, bytes));
    StartWriting();
    return absl::OkStatus();
  }

  absl::Status Rewrite(int64_t offset, absl::string_view bytes) override {
    SWITCHYARD_CHECK(offset >= 0 &&
                     offset + static_cast<int64_t>(bytes.size()) <= size_)
        << path_ << " " << offset;
    return WriteAt(offset, bytes);
  }

  absl::Status Sync() override {
    if (fsync(file_) != 0) return SystemError(errno, "write", path_);
    return absl::OkStatus();
  }

 private:
  absl::Status WriteAt(int64_t offset, absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count =
          pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return SystemError(errno, "write", path_);
      bytes.remove_prefix(static_cast<size_t>(count));
      offset += count;
    }
    return absl::OkStatus();
  }

  // Lets the disk begin with what is there, so that Sync has less to wait for.
  // It promises nothing, and where there is no such call nothing is lost.
  void StartWriting() {
#ifdef SYNC_FILE_RANGE_WRITE
    constexpr int64_t kAtOnce = int64_t{1} << 25;
    if (size_ - started_ < kAtOnce) return;
    sync_file_range(file_, static_cast<off_t>(started_),
                    static_cast<off_t>(size_ - started_),
                    SYNC_FILE_RANGE_WRITE);
    started_ = size_;
#endif
  }

  const std::string path_;
  const int file_;
  int64_t size_ = 0;
  int64_t started_ = 0;  // bytes that the disk was told of
};

class System : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<NewFile>> Create(
      const std::string& path) override {
    const int file =
        open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0) return SystemError(errno, "create", path);
    return std::make_unique<SystemFile>(path, file);
  }

  absl::Status MakeFolder(const std::string& path) override {
    std::error_code error;
    const std::filesystem::path folder(path);
    if (std::filesystem::is_directory(folder, error)) return absl::OkStatus();
    const std::string above = folder.parent_path().string();
    if (!above.empty() && above != path) {
      SWITCHYARD_RETURN_IF_ERROR(MakeFolder(above));
    }
    std::filesystem::create_directory(folder, error);
    if (error) return SystemError(error.value(), "create", path);
    return SyncFolder(above.empty() ? "." : above);
  }

  absl::Status SyncFolder(const std::string& path) override {
    const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return SystemError(errno, "open", path);
    absl::Status status;
    // Some network file systems have no such call; their names are safe.
    if (fsync(folder) != 0 && errno != EINVAL && errno != ENOTSUP) {
      status = SystemError(errno, "write", path);
    }
    close(folder);
    return status;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) {
      return SystemError(errno, "create", to);
    }
    return absl::OkStatus();
  }

  absl::Status RemoveFolder(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return SystemError(error.value(), "remove", path);
    return absl::OkStatus();
  }
};

}  // namespace

FileSystem& SystemFiles() {
  static System system;
  return system;
}

}  // namespace switchyard
