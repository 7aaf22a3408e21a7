// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/positions.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/positions.h"
#include "switchyard/kernels/cuda/positions.h"

namespace switchyard::kernels {
namespace {

// [tokens, k]: one entry for each choice of each token.
void CheckExperts(const ConstTensorView& experts) {
  SWITCHYARD_CHECK(experts.shape().rank() == 2)
      << "experts must be [tokens, k], got " << experts.shape().ToString();
  CheckTensor("experts", experts, DType::kInt32, experts.shape());
}

void CheckPerExpert(const char* name, const ConstTensorView& view) {
  SWITCHYARD_CHECK(view.shape().rank() == 1)
      << name << " must be [experts], got " << view.shape().ToString();
  CheckPacked(name, view, DType::kInt32, view.shape());
}

// What only some ways to drop have.
void CheckOverflow(const PositionsArgs& args) {
  const Shape& shape = args.experts.shape();
  SWITCHYARD_CHECK(
      args.scope_tokens >= 0 &&
      (args.scope_tokens == 0 || shape[0] % args.scope_tokens == 0))
      << shape[0] << " tokens in scopes of " << args.scope_tokens;
  if (args.order.defined()) {
    CheckPacked("order", args.order, DType::kInt32, {shape[0]});
  }
  if (args.overflow.defined()) {
    CheckPacked("overflow", args.overflow, DType::kInt32,
                {kOverflowCounts, args.assigned.dim(0)});
  }
  SWITCHYARD_CHECK(args.next_experts.defined() == args.placed.defined())
      << "next_experts and placed belong together";
  if (!args.next_experts.defined()) return;
  CheckRank(args.next_experts, 2);
  CheckTensor("next_experts", args.next_experts, DType::kInt32,
              {shape[0], args.next_experts.dim(1)});
  CheckTensor("placed", args.placed, DType::kInt32, shape);
}

}  // namespace

void Positions(Stream& stream, const PositionsArgs& args) {
  CheckExperts(args.experts);
  CheckTensor("positions", args.positions, DType::kInt32, args.experts.shape());
  CheckPacked("valid", args.valid, DType::kUInt8, {args.experts.dim(0)});
  CheckPerExpert("assigned", args.assigned);
  CheckPacked("kept", args.kept, DType::kInt32, args.assigned.shape());
  SWITCHYARD_CHECK(args.capacity >= 0)
      << "capacity must be a number of rows, or 0 for no limit, got "
      << args.capacity;
  CheckOverflow(args);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Positions(stream, args));
  stream.Enqueue([args] { cpu::Positions(args); });
}

void RowIndex(Stream& stream, const RowIndexArgs& args) {
  CheckExperts(args.experts);
  CheckTensor("positions", args.positions, DType::kInt32, args.experts.shape());
  CheckPerExpert("base", args.base);
  CheckTensor("rows", args.rows, DType::kInt32, args.experts.shape());
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::RowIndex(stream, args));
  stream.Enqueue([args] { cpu::RowIndex(args); });
}

}  // namespace switchyard::kernels
