// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/embedding.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/embedding.h"
#include "switchyard/kernels/cuda/embedding.h"

namespace switchyard::kernels {

void Embedding(Stream& stream, const ConstTensorView& table,
               const ConstTensorView& ids, const TensorView& y) {
  CheckFloating(table);
  CheckRank(table, 2);
  CheckFloating(y);
  CheckRank(y, 2);
  CheckTensor("y", y, table.dtype(), {y.dim(0), table.dim(1)});
  CheckPacked("ids", ids, DType::kInt32, {y.dim(0)});
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Embedding(stream, table, ids, y));
  const int threads = stream.device().threads();
  stream.Enqueue(
      [table, ids, y, threads] { cpu::Embedding(table, ids, y, threads); });
}

void EmbeddingGradient(Stream& stream, Arena& arena,
                       const EmbeddingGradientArgs& args) {
  CheckFloating(args.dy);
  CheckRank(args.dy, 2);
  CheckPacked("ids", args.ids, DType::kInt32, {args.dy.dim(0)});
  const TensorView& sum = args.gradient.sum;
  SWITCHYARD_CHECK(sum.shape().rank() == 2)
      << "gradient must be [table rows, width], got " << sum.shape().ToString();
  CheckFixedPoint(args.format);
  CheckGradientSum(stream, args.gradient, {sum.dim(0), args.dy.dim(1)});
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::EmbeddingGradient(stream, args));
  const int threads = stream.device().threads();
  // The stream may run later, but in order: whoever takes this memory from the
  // arena next is enqueued behind.
  ArenaScope scope(arena);
  const TensorView starts = arena.Allocate(DType::kInt32, {sum.dim(0) + 1});
  const TensorView order = arena.Allocate(DType::kInt32, {args.dy.dim(0)});
  stream.Enqueue([args, starts, order, threads] {
    cpu::EmbeddingGradient(args, starts, order, threads);
  });
}

}  // namespace switchyard::kernels
