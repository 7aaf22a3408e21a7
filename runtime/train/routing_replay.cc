// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/routing_replay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "switchyard/base/file.h"
#include "switchyard/base/status.h"

namespace switchyard {

absl::Status RoutingReplay::Error(absl::string_view sentence) const {
  return absl::InvalidArgumentError(
      absl::StrCat("--routing_replay ", path_, ": ", sentence));
}

namespace {

absl::Status CannotRead(const char* what, const std::string& path) {
  const absl::Status status = SystemError(errno, what, path);
  return absl::Status(
      status.code(),
      absl::StrCat("expected --routing_replay to be a file of --routing_trace, "
                   "but ",
                   status.message(), "; give another path"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RoutingReplay>> RoutingReplay::Open(
    const TrainOptions& options) {
  const std::string& path = options.routing_replay;
  // A pipe would wait for its writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return CannotRead("open", path);
  std::unique_ptr<RoutingReplay> replay(new RoutingReplay(path, file));
  SWITCHYARD_RETURN_IF_ERROR(replay->ReadHeader(options));
  return replay;
}

RoutingReplay::~RoutingReplay() { close(file_); }

absl::Status RoutingReplay::ReadBytes(int64_t offset, int64_t count,
                                      char* bytes) const {
  while (count > 0) {
    const ssize_t read = pread(file_, bytes, count, offset);
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return CannotRead("read", path_);
    if (read == 0) {
      return Error(
          "expected a file that stays as it is, found it shorter "
          "than before; start again with the whole file");
    }
    offset += read;
    bytes += read;
    count -= read;
  }
  return absl::OkStatus();
}

absl::Status RoutingReplay::ReadHeader(const TrainOptions& options) {
  struct stat status;
  if (fstat(file_, &status) != 0) return CannotRead("read", path_);
  if (!S_ISREG(status.st_mode)) {
    return Error("expected a file, found something else; correct the path");
  }
  const int64_t file_bytes = status.st_size;
  std::string bytes(std::min(file_bytes, kMaxRoutingHeaderBytes), '\0');
  SWITCHYARD_RETURN_IF_ERROR(
      ReadBytes(0, static_cast<int64_t>(bytes.size()), &bytes[0]));
  const auto parsed = ParseRoutingHeader(bytes);
  if (!parsed.ok()) {
    return Error(absl::StrCat(parsed.status().message(),
                              "; give a file that --routing_trace wrote"));
  }
  sizes_ = parsed->header.sizes;
  header_bytes_ = parsed->byte_count;
  SWITCHYARD_RETURN_IF_ERROR(CheckSizes(RoutingSizes::Of(options)));
  block_.resize(sizes_.block_bytes());
  SWITCHYARD_RETURN_IF_ERROR(CheckSteps(
      file_bytes, options.stop_at > 0 ? options.stop_at : options.steps));
  return Identify(file_bytes);
}

// Of the header's checksum and those of all blocks.
absl::Status RoutingReplay::Identify(int64_t file_bytes) {
  const int64_t blocks = (file_bytes - header_bytes_) / sizes_.block_bytes();
  std::vector<uint64_t> checksums(static_cast<size_t>(blocks) + 1);
  for (int64_t i = 0; i <= blocks; ++i) {
    SWITCHYARD_RETURN_IF_ERROR(
        ReadBytes(header_bytes_ + i * sizes_.block_bytes() - 8, 8,
                  reinterpret_cast<char*>(&checksums[i])));
  }
  identity_ = RoutingChecksum(checksums.data(), (blocks + 1) * 8);
  return absl::OkStatus();
}

absl::Status RoutingReplay::CheckSizes(const RoutingSizes& wanted) const {
  const struct {
    const char* what;
    int64_t wanted, found;
  } sizes[] = {
      {"layers", wanted.layers, sizes_.layers},
      {"experts", wanted.experts, sizes_.experts},
      {"experts per token", wanted.choices, sizes_.choices},
      {"tokens of a micro-batch", wanted.tokens, sizes_.tokens},
      {"micro-batches of a step", wanted.micro_batches, sizes_.micro_batches},
  };
  for (const auto& size : sizes) {
    if (size.wanted == size.found) continue;
    return Error(absl::StrCat(
        "expected the routing of a run with ", size.wanted, " ", size.what,
        ", found ", size.found,
        "; replay it with the model and the batch that it was written with"));
  }
  return absl::OkStatus();
}

absl::Status RoutingReplay::CheckSteps(int64_t file_bytes, int64_t wanted) {
  const int64_t body = file_bytes - header_bytes_;
  const int64_t blocks = body / sizes_.block_bytes();
  if (body % sizes_.block_bytes() != 0 || blocks % sizes_.micro_batches != 0) {
    return Error(
        "expected whole steps, found an end within one; the file was cut, "
        "give the whole one");
  }
  const int64_t steps = blocks / sizes_.micro_batches;
  if (steps >= wanted) return absl::OkStatus();
  return Error(absl::StrCat("expected at least ", wanted, " steps, found ",
                            steps, "; lower --steps or --stop_at"));
}

absl::Status RoutingReplay::Read(int64_t step, int64_t micro_batch,
                                 std::vector<int32_t>* experts) {
  const int64_t index = (step - 1) * sizes_.micro_batches + micro_batch;
  SWITCHYARD_RETURN_IF_ERROR(
      ReadBytes(header_bytes_ + index * sizes_.block_bytes(),
                sizes_.block_bytes(), block_.data()));
  const int64_t checked = sizes_.block_bytes() - 8;
  int64_t place[2];
  uint64_t checksum;
  std::memcpy(place, block_.data(), sizeof(place));
  std::memcpy(&checksum, block_.data() + checked, sizeof(checksum));
  if (place[0] != step || place[1] != micro_batch ||
      checksum != RoutingChecksum(block_.data(), checked)) {
    return Error(absl::StrCat("expected micro-batch ", micro_batch, " of step ",
                              step,
                              " with its checksum, found something else; the "
                              "file was damaged, give a whole one"));
  }
  const int64_t count = sizes_.layer_elements();
  experts->resize(sizes_.layers * count);
  for (int64_t layer = 0; layer < sizes_.layers; ++layer) {
    // Behind the step and the number; gates are not read.
    std::memcpy(experts->data() + layer * count,
                block_.data() + sizeof(place) + layer * count * 8,
                count * sizeof(int32_t));
  }
  return absl::OkStatus();
}

}  // namespace switchyard
