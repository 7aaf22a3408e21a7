// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cached_attention.h"

#include <algorithm>

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/cached_attention.h"
#include "switchyard/kernels/cuda/cached_attention.h"

namespace switchyard::kernels {
namespace {

void CheckCache(const ConstTensorView& k, const ConstTensorView& v,
                const ConstTensorView& cached_k,
                const ConstTensorView& cached_v, int64_t sequences,
                int64_t past) {
  CheckFloating(k);
  CheckRank(k, 3);
  CheckTensor("v", v, k.dtype(), k.shape());
  CheckRank(cached_k, 3);
  const Shape cache = {sequences * k.dim(1), cached_k.dim(1), k.dim(2)};
  CheckPacked("cached_k", cached_k, k.dtype(), cache);
  CheckPacked("cached_v", cached_v, k.dtype(), cache);
  SWITCHYARD_CHECK(k.dim(0) == 0 ||
                   (sequences > 0 && k.dim(0) % sequences == 0))
      << "expected sequences that divide " << k.dim(0) << " rows, found "
      << sequences;
  SWITCHYARD_CHECK(past >= 0 && cached_k.dim(1) > 0)
      << "expected a position of at least 0 and a cache of some entries, found "
      << past << " and " << cached_k.shape().ToString();
}

}  // namespace

void CachedAttention(Stream& stream, Arena& arena,
                     const CachedAttentionArgs& args) {
  CheckCache(args.k, args.v, args.cached_k, args.cached_v, args.sequences,
             args.past);
  CheckRank(args.q, 3);
  const int64_t heads = args.q.dim(1), kv_heads = args.k.dim(1);
  const Shape queries = {args.k.dim(0), heads, args.k.dim(2)};
  CheckTensor("q", args.q, args.k.dtype(), queries);
  CheckTensor("out", args.out, args.k.dtype(), queries);
  SWITCHYARD_CHECK(queries[2] > 0 && kv_heads > 0 && heads % kv_heads == 0)
      << "expected a head_dim and key/value heads that divide the " << heads
      << " query heads, found " << args.k.shape().ToString();
  SWITCHYARD_CHECK(args.window >= 0)
      << "expected a window of some keys, or 0 for all, found " << args.window;
  const int64_t seen =
      args.window > 0 ? std::min(args.past, args.window - 1) : args.past;
  SWITCHYARD_CHECK(seen <= args.cached_k.dim(1))
      << "expected a cache of the " << seen
      << " positions that are seen of those before, found "
      << args.cached_k.dim(1) << " entries";
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::CachedAttention(stream, args));
  const int threads = stream.device().threads();
  ArenaScope scope(arena);  // the stream may run later, but in order
  const TensorView scratch =
      arena.Allocate(DType::kFloat32, {cpu::CachedAttentionScratch(args)});
  stream.Enqueue([args, scratch, threads] {
    cpu::CachedAttention(args, scratch.data<float>(), threads);
  });
}

void AppendToCache(Stream& stream, const AppendToCacheArgs& args) {
  CheckCache(args.k, args.v, args.cached_k, args.cached_v, args.sequences,
             args.past);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::AppendToCache(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::AppendToCache(args, threads); });
}

}  // namespace switchyard::kernels
