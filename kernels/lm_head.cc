// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/lm_head.h"

#include <algorithm>

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/lm_head.h"
#include "switchyard/kernels/cpu/matmul.h"
#include "switchyard/kernels/cuda/lm_head.h"

namespace switchyard::kernels {

void LmHeadLoss(Stream& stream, Arena& arena, const LmHeadLossArgs& args) {
  CheckFloating(args.x);
  CheckRank(args.x, 2);
  CheckRank(args.weight, 2);
  const DType dtype = args.x.dtype();
  const int64_t tokens = args.x.dim(0), width = args.x.dim(1),
                vocabulary = args.weight.dim(0);
  CheckTensor("weight", args.weight, dtype, {vocabulary, width});
  CheckPacked("labels", args.labels, DType::kInt32, {tokens});
  CheckPacked("loss_sum", args.loss_sum, DType::kFloat64, {1});
  const bool has_gradient = args.gradient.sum.defined();
  if (args.dx.defined()) CheckTensor("dx", args.dx, dtype, {tokens, width});
  if (has_gradient) {
    CheckFixedPoint(args.format);
    CheckGradientSum(stream, args.gradient, args.weight.shape());
  }
  // The stream may run later, but in order: whoever takes this memory from the
  // arena next is enqueued behind.
  ArenaScope scope(arena);
  const int64_t chunk = std::min(tokens, kLmHeadChunk);
  LmHeadScratch scratch;
  scratch.losses = arena.Allocate(DType::kFloat64, {tokens});
  scratch.logits = arena.Allocate(DType::kFloat32, {chunk, vocabulary});
  if (dtype == DType::kBFloat16) {
    scratch.dlogits = arena.Allocate(DType::kBFloat16, {chunk, vocabulary});
  }
  if (has_gradient && args.gradient.sum.dtype() == DType::kInt64) {
    scratch.leaf = arena.Allocate(DType::kFloat32, {vocabulary, width});
  }
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::LmHeadLoss(stream, args, scratch));
  stream.Enqueue([args, scratch, threads = stream.device().threads()] {
    cpu::LmHeadLoss(args, scratch, threads);
  });
}

void PrepareLmHead(DType dtype, int64_t tokens, int64_t width,
                   int64_t vocabulary) {
  constexpr Transpose kNo = Transpose::kNo, kYes = Transpose::kYes;
  for (const int64_t chunk :
       {std::min(tokens, kLmHeadChunk), tokens % kLmHeadChunk}) {
    if (chunk == 0) continue;
    cpu::PrepareProduct({dtype, chunk, vocabulary, width, kNo, kYes});
    cpu::PrepareProduct({dtype, chunk, width, vocabulary, kNo, kNo});
    cpu::PrepareProduct({dtype, vocabulary, width, chunk, kYes, kNo});
  }
}

}  // namespace switchyard::kernels
