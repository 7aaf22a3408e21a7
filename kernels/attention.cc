// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/attention.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/attention.h"
#include "switchyard/kernels/cuda/attention.h"

namespace switchyard::kernels {
namespace {

void CheckHeads(const ConstTensorView& q, const ConstTensorView& k,
                const ConstTensorView& v, int64_t sequence_length,
                int64_t window) {
  CheckFloating(q);
  CheckRank(q, 3);
  CheckRank(k, 3);
  const Shape keys = {q.dim(0), k.dim(1), q.dim(2)};
  CheckTensor("k", k, q.dtype(), keys);
  CheckTensor("v", v, q.dtype(), keys);
  SWITCHYARD_CHECK(q.dim(2) > 0 && k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0)
      << "expected a head_dim and key/value heads that divide the " << q.dim(1)
      << " query heads, found " << k.shape().ToString();
  SWITCHYARD_CHECK(sequence_length > 0 && q.dim(0) % sequence_length == 0)
      << "expected a sequence length that divides " << q.dim(0)
      << " rows, found " << sequence_length;
  SWITCHYARD_CHECK(window >= 0)
      << "expected a window of some keys, or 0 for all, found " << window;
}

}  // namespace

void Attention(Stream& stream, Arena& arena, const AttentionArgs& args) {
  CheckHeads(args.q, args.k, args.v, args.sequence_length, args.window);
  CheckTensor("out", args.out, args.q.dtype(), args.q.shape());
  CheckTensor("logsumexp", args.logsumexp, DType::kFloat32,
              {args.q.dim(0), args.q.dim(1)});
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::Attention(stream, args));
  const int threads = stream.device().threads();
  // The stream may run later, but in order: whoever takes this memory from the
  // arena next is enqueued behind.
  ArenaScope scope(arena);
  const TensorView scratch =
      arena.Allocate(DType::kFloat32, {cpu::AttentionScratch(args)});
  stream.Enqueue([args, scratch, threads] {
    cpu::Attention(args, scratch.data<float>(), threads);
  });
}

int64_t AttentionBackwardScratchBytes(int64_t rows, int64_t heads,
                                      int64_t kv_heads, int64_t head_dim,
                                      int64_t sequence_length) {
  // Shapes alone decide.
  AttentionBackwardArgs args;
  args.q = ConstTensorView(nullptr, DType::kFloat32, {rows, heads, head_dim});
  args.k =
      ConstTensorView(nullptr, DType::kFloat32, {rows, kv_heads, head_dim});
  args.sequence_length = sequence_length;
  return cpu::AttentionBackwardScratch(args) *
         static_cast<int64_t>(sizeof(float));
}

void AttentionBackward(Stream& stream, Arena& arena,
                       const AttentionBackwardArgs& args) {
  CheckHeads(args.q, args.k, args.v, args.sequence_length, args.window);
  const DType dtype = args.q.dtype();
  CheckTensor("out", args.out, dtype, args.q.shape());
  CheckTensor("logsumexp", args.logsumexp, DType::kFloat32,
              {args.q.dim(0), args.q.dim(1)});
  CheckTensor("dout", args.dout, dtype, args.q.shape());
  CheckTensor("dq", args.dq, dtype, args.q.shape());
  CheckTensor("dk", args.dk, dtype, args.k.shape());
  CheckTensor("dv", args.dv, dtype, args.k.shape());
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::AttentionBackward(stream, args));
  const int threads = stream.device().threads();
  ArenaScope scope(arena);  // as above
  const TensorView scratch =
      arena.Allocate(DType::kFloat32, {cpu::AttentionBackwardScratch(args)});
  stream.Enqueue([args, scratch, threads] {
    cpu::AttentionBackward(args, scratch.data<float>(), threads);
  });
}

}  // namespace switchyard::kernels
