// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/bench/gradient_reduction.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/optim/shard_layout.h"

namespace switchyard::bench {
namespace {

constexpr size_t kBucketsUnderWay = 4;  // as the optimizer has

// One bucket's elements and the part of it that each rank receives.
struct Cut {
  Cut(int64_t begin_in, int64_t total, const comm::Communicator& world)
      : begin(begin_in), end(std::min(begin + kBucketElements, total)) {
    int64_t at = begin;
    for (int r = 0; r < world.size(); ++r) {
      const int64_t next = begin + (end - begin) * (r + 1) / world.size();
      counts.push_back(next - at);
      if (r == world.rank()) own_begin = at;
      at = next;
    }
    own_end = own_begin + counts[world.rank()];
  }
  int64_t begin, end, own_begin = 0, own_end = 0;
  std::vector<int64_t> counts;
};

int64_t Addend(int64_t element, int rank) { return element % 1021 + rank; }

void Put(const TensorView& tensor, int64_t i, int64_t value) {
  if (tensor.dtype() == DType::kInt64) {
    tensor.data<int64_t>()[i] = value;
  } else {
    tensor.data<float>()[i] = static_cast<float>(value);
  }
}

int64_t Got(const ConstTensorView& tensor, int64_t i) {
  return tensor.dtype() == DType::kInt64
             ? tensor.data<int64_t>()[i]
             : static_cast<int64_t>(tensor.data<float>()[i]);
}

}  // namespace

GradientReduction::GradientReduction(Stream& stream, comm::Communicator& world,
                                     int64_t element_count)
    : stream_(stream),
      world_(world),
      integers_(stream.device(), DType::kInt64, {element_count}),
      floats_(stream.device(), DType::kFloat32, {element_count}) {}

absl::Status GradientReduction::Run(DType dtype) {
  const TensorView& all = dtype == DType::kInt64 ? integers_ : floats_;
  const int64_t total = all.element_count();
  std::vector<Cut> cuts;
  for (int64_t at = 0; at < total; at += kBucketElements) {
    cuts.emplace_back(at, total, world_);
  }
  std::array<comm::Ticket, kBucketsUnderWay> tickets;
  absl::Status status;
  for (size_t i = 0; i < cuts.size() + kBucketsUnderWay; ++i) {
    comm::Ticket& ticket = tickets[i % kBucketsUnderWay];
    status.Update(ticket.Wait());
    if (i >= cuts.size() || !status.ok()) continue;
    const Cut& cut = cuts[i];
    ticket =
        world_.ReduceScatter(stream_, all.Rows(cut.begin, cut.end),
                             all.Rows(cut.own_begin, cut.own_end), cut.counts,
                             comm::ReduceOp::kSum, {-1, "gradients"});
  }
  return status;
}

absl::Status GradientReduction::Verify() {
  SWITCHYARD_RETURN_IF_ERROR(VerifyOne(DType::kInt64));
  return VerifyOne(DType::kFloat32);
}

absl::Status GradientReduction::VerifyOne(DType dtype) {
  const TensorView& all = dtype == DType::kInt64 ? integers_ : floats_;
  const int64_t total = all.element_count();
  for (int64_t i = 0; i < total; ++i) Put(all, i, Addend(i, world_.rank()));
  SWITCHYARD_RETURN_IF_ERROR(Run(dtype));
  for (int64_t at = 0; at < total; at += kBucketElements) {
    const Cut cut(at, total, world_);
    for (int64_t i = cut.own_begin; i < cut.own_end; ++i) {
      int64_t expected = 0;
      for (int r = 0; r < world_.size(); ++r) expected += Addend(i, r);
      if (Got(all, i) != expected) {
        return absl::InternalError(
            absl::StrCat(NameOf(dtype), " reduction: element ", i, " is ",
                         Got(all, i), ", expected ", expected));
      }
    }
  }
  stream_.Zero(all);
  return absl::OkStatus();
}

}  // namespace switchyard::bench
