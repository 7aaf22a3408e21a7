// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/optim/summed_gradients.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/kernels/checksum.h"
#include "switchyard/kernels/norms.h"

namespace switchyard {
namespace {

using Seen = std::function<void(const StateSlice&)>;

class GradientVisitor : public StateVisitor {
 public:
  explicit GradientVisitor(Seen seen) : seen_(std::move(seen)) {}
  absl::Status Visit(const StateSlice& slice) override {
    seen_(slice);
    return absl::OkStatus();
  }
  absl::Status Visit(const char*, int64_t*) override {
    return absl::OkStatus();
  }
  absl::Status Visit(const char*, double*) override { return absl::OkStatus(); }

 private:
  const Seen seen_;
};

// Of what one rank each has written and the others left at zero; in buckets, as
// gradients travel. Nothing is added to anything but zero, so no sum wraps.
absl::StatusOr<std::vector<int64_t>> Join(Stream& stream, const Grid& grid,
                                          const TensorView& values) {
  const int64_t count = values.dim(0);
  for (int64_t at = 0; at < count; at += kBucketElements) {
    SWITCHYARD_RETURN_IF_ERROR(
        grid.world()
            .AllReduce(stream,
                       values.Rows(at, std::min(at + kBucketElements, count)),
                       comm::ReduceOp::kSum, {-1, "summed gradients"})
            .Wait());
  }
  std::vector<int64_t> host(count);
  stream.CopyToHost(host.data(), values);
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(stream, grid.world()));
  return host;
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> GradientChecksums(
    Stream& stream, const Grid& grid, const ParameterStore& store,
    ShardedAdamW& optimizer) {
  const Shape shape = {store.chunk_count()};
  Storage storage(stream.device(), DType::kInt64, shape);
  const TensorView sums = storage.View(DType::kInt64, shape);
  stream.Zero(sums);
  GradientVisitor visitor([&](const StateSlice& slice) {
    int64_t chunk = store.Get(slice.name).first_chunk +
                    slice.first_element / kernels::kNormChunk;
    const int64_t count = slice.values.dim(0);
    for (int64_t at = 0; at < count; at += kernels::kNormChunk, ++chunk) {
      kernels::Checksum(
          stream,
          slice.values.Rows(at, std::min(at + kernels::kNormChunk, count)),
          sums.Rows(chunk, chunk + 1));
    }
  });
  SWITCHYARD_RETURN_IF_ERROR(optimizer.VisitGradients(visitor));
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> chunks,
                              Join(stream, grid, sums));
  std::vector<int64_t> checksums;
  for (const auto& parameter : store.parameters()) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < parameter->chunk_count(); ++i) {
      // An odd factor loses nothing, and makes the order count.
      sum = sum * 0x9E3779B97F4A7C15u +
            static_cast<uint64_t>(chunks[parameter->first_chunk + i]);
    }
    checksums.push_back(static_cast<int64_t>(sum));
  }
  return checksums;
}

absl::StatusOr<std::vector<int64_t>> SummedGradient(Stream& stream,
                                                    const Grid& grid,
                                                    const Parameter& parameter,
                                                    ShardedAdamW& optimizer) {
  const Shape shape = {parameter.element_count()};
  Storage storage(stream.device(), DType::kInt64, shape);
  const TensorView values = storage.View(DType::kInt64, shape);
  stream.Zero(values);
  GradientVisitor visitor([&](const StateSlice& slice) {
    if (slice.name != parameter.name) return;
    const int64_t end = slice.first_element + slice.values.dim(0);
    stream.Copy(values.Rows(slice.first_element, end), slice.values);
  });
  SWITCHYARD_RETURN_IF_ERROR(optimizer.VisitGradients(visitor));
  return Join(stream, grid, values);
}

}  // namespace switchyard
