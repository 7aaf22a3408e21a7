// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/routing_trace.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "switchyard/base/file.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

// A new file, or -1 and errno.
int CreateFile(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC,
              0666);
}

absl::Status CannotWrite(const char* what, const std::string& path) {
  const absl::Status status = SystemError(errno, what, path);
  return absl::Status(
      status.code(),
      absl::StrCat("expected --routing_trace to be a new file that can be "
                   "written, but ",
                   status.message(), "; give another path"));
}

}  // namespace

absl::Status RoutingTrace::CheckPath(const std::string& path) {
  const int file = CreateFile(path);
  if (file < 0) return CannotWrite("create", path);
  close(file);
  unlink(path.c_str());
  return absl::OkStatus();
}

RoutingTrace::RoutingTrace(const TrainOptions& options,
                           comm::Communicator& world, Stream& stream)
    : path_(options.routing_trace),
      header_{RoutingSizes::Of(options), ToJson(options.model)},
      world_(world),
      stream_(stream) {
  const int64_t elements = header_.sizes.payload_bytes() / 4;
  const int64_t own = rounds() * elements;
  const int64_t received = writes() ? world.size() * elements : 0;
  storage_ = Storage(stream.device(), DType::kInt32, {own + received});
  own_ = storage_.View(DType::kInt32, {rounds(), elements});
  received_ = storage_.View(DType::kInt32, {received},
                            static_cast<size_t>(own) * sizeof(int32_t));
  sent_blocks_.reserve(1);
  received_blocks_.reserve(world.size());
  if (!writes()) return;
  payloads_.resize(world.size() * header_.sizes.payload_bytes());
  blocks_.resize(world.size() * header_.sizes.block_bytes());
}

absl::StatusOr<std::unique_ptr<RoutingTrace>> RoutingTrace::Create(
    const TrainOptions& options, comm::Communicator& world, Stream& stream) {
  std::unique_ptr<RoutingTrace> trace(new RoutingTrace(options, world, stream));
  if (trace->writes()) SWITCHYARD_RETURN_IF_ERROR(trace->Open());
  return trace;
}

RoutingTrace::~RoutingTrace() {
  if (file_ < 0) return;
  close(file_);
  if (whole_bytes_ <= header_bytes_) unlink(path_.c_str());
}

absl::Status RoutingTrace::Open() {
  file_ = CreateFile(path_);
  if (file_ < 0) return CannotWrite("create", path_);
  const std::string header = EncodeRoutingHeader(header_);
  header_bytes_ = static_cast<int64_t>(header.size());
  SWITCHYARD_RETURN_IF_ERROR(WriteBytes(header));
  whole_bytes_ = header_bytes_;
  return absl::OkStatus();
}

int64_t RoutingTrace::rounds() const {
  const int64_t ranks = world_.size();
  return (header_.sizes.micro_batches + ranks - 1) / ranks;
}

int64_t RoutingTrace::Present(int64_t round) const {
  const int64_t left =
      header_.sizes.micro_batches - round * int64_t{world_.size()};
  return std::clamp<int64_t>(left, 0, world_.size());
}

void RoutingTrace::Keep(int64_t micro_batch,
                        absl::Span<MoeLayer::Decision* const> decisions) {
  const RoutingSizes& sizes = header_.sizes;
  const int64_t round = micro_batch / world_.size();
  const Shape shape = {sizes.tokens, sizes.choices};
  const size_t bytes =
      static_cast<size_t>(sizes.layer_elements()) * sizeof(int32_t);
  size_t offset = static_cast<size_t>(round * sizes.payload_bytes());
  for (const MoeLayer::Decision* decision : decisions) {
    const RouterOutput& router = decision->router;
    stream_.Copy(storage_.View(DType::kInt32, shape, offset), router.experts);
    stream_.Copy(storage_.View(DType::kFloat32, shape, offset + bytes),
                 router.gates);
    offset += 2 * bytes;
  }
}

absl::Status RoutingTrace::Write(int64_t step, absl::Status* file_error) {
  for (int64_t round = 0; round < rounds(); ++round) {
    SWITCHYARD_RETURN_IF_ERROR(Collect(round));
    // Once a part of a step is lost, nothing is written behind it.
    if (writes() && file_error->ok()) *file_error = WriteRound(step, round);
  }
  if (!writes()) return absl::OkStatus();
  if (file_error->ok()) {
    whole_bytes_ = lseek(file_, 0, SEEK_END);
  } else if (ftruncate(file_, whole_bytes_) != 0) {
    *file_error = absl::Status(
        file_error->code(),
        absl::StrCat(file_error->message(), " (its last step is cut)"));
  }
  return absl::OkStatus();
}

// The round's micro-batches, one after the other, into payloads_.
absl::Status RoutingTrace::Collect(int64_t round) {
  const int64_t elements = own_.dim(1);
  const int64_t present = Present(round);
  sent_blocks_.clear();
  received_blocks_.clear();
  if (world_.rank() < present) sent_blocks_.push_back({0, 0, elements});
  for (int rank = 0; writes() && rank < present; ++rank) {
    received_blocks_.push_back({rank, rank * elements, elements});
  }
  SWITCHYARD_RETURN_IF_ERROR(world_
                                 .AllToAllV(stream_, Own(round), sent_blocks_,
                                            received_, received_blocks_,
                                            {-1, "routing trace"})
                                 .Wait());
  if (!writes()) return absl::OkStatus();
  stream_.CopyToHost(payloads_.data(), received_.Rows(0, present * elements));
  return comm::WaitForResults(stream_, world_);
}

absl::Status RoutingTrace::WriteRound(int64_t step, int64_t round) {
  const RoutingSizes& sizes = header_.sizes;
  const int64_t payload = sizes.payload_bytes();
  const int64_t present = Present(round);
  for (int64_t i = 0; i < present; ++i) {
    char* block = blocks_.data() + i * sizes.block_bytes();
    const int64_t place[2] = {step, round * world_.size() + i};
    std::memcpy(block, place, sizeof(place));
    std::memcpy(block + sizeof(place), payloads_.data() + i * payload,
                static_cast<size_t>(payload));
    const int64_t checked = sizes.block_bytes() - 8;
    const uint64_t checksum = RoutingChecksum(block, checked);
    std::memcpy(block + checked, &checksum, sizeof(checksum));
  }
  return WriteBytes(
      {blocks_.data(), static_cast<size_t>(present * sizes.block_bytes())});
}

absl::Status RoutingTrace::WriteBytes(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(errno, "write", path_);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

}  // namespace switchyard
