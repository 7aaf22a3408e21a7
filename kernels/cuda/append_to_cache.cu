// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A copy, bound by memory: 16 bytes a thread where all operands allow it.
#include <algorithm>
#include <cstdint>

#include "switchyard/kernels/cuda/cache_tile.cuh"
#include "switchyard/kernels/cuda/cached_attention.h"

namespace switchyard::kernels::cuda {
namespace {

// All sizes are in units of what a thread copies.
template <typename Unit>
struct Append {
  CacheShape shape;
  int64_t first_new;  // earlier ones find no room
  Rows<const Unit> k, v;
  Unit* cached_k;
  Unit* cached_v;
};

template <typename Unit>
__global__ void __launch_bounds__(kCacheThreads)
    AppendKernel(Append<Unit> args) {
  const CacheShape& shape = args.shape;
  const int64_t index = int64_t{blockIdx.x} * kCacheThreads + threadIdx.x;
  const int64_t column = index % shape.head_dim;
  const int64_t count = shape.new_positions - args.first_new;
  const int64_t i = args.first_new + index / shape.head_dim % count;
  const int64_t head = index / shape.head_dim / count;
  if (head >= shape.sequences * shape.kv_heads) return;
  const int64_t row = head / shape.kv_heads * shape.new_positions + i;
  const int64_t from = head % shape.kv_heads * shape.head_dim + column;
  const int64_t entry = (shape.past + i) % shape.capacity;
  const int64_t to = (head * shape.capacity + entry) * shape.head_dim + column;
  args.cached_k[to] = args.k[row][from];
  args.cached_v[to] = args.v[row][from];
}

template <typename Unit>
void Run(CudaStream& stream, const AppendToCacheArgs& args) {
  CacheShape shape = CacheShapeOf(args.k, args.cached_k, args.k.dim(1),
                                  args.sequences, args.past, 0);
  const int64_t bytes = static_cast<int64_t>(SizeOf(args.k.dtype()));
  const auto units = [&](int64_t elements) {
    return elements * bytes / static_cast<int64_t>(sizeof(Unit));
  };
  shape.head_dim = units(shape.head_dim);
  const Append<Unit> append = {
      shape,
      std::max<int64_t>(0, shape.new_positions - shape.capacity),
      {static_cast<const Unit*>(args.k.raw()), units(args.k.row_stride())},
      {static_cast<const Unit*>(args.v.raw()), units(args.v.row_stride())},
      static_cast<Unit*>(args.cached_k.raw()),
      static_cast<Unit*>(args.cached_v.raw())};
  const int64_t count = shape.sequences * shape.kv_heads *
                        (shape.new_positions - append.first_new) *
                        shape.head_dim;
  const int64_t blocks = (count + kCacheThreads - 1) / kCacheThreads;
  SWITCHYARD_RUN(AppendKernel<Unit>, dim3(static_cast<unsigned>(blocks)),
                 dim3(kCacheThreads), 0, stream, append);
}

}  // namespace

void AppendToCache(Stream& stream, const AppendToCacheArgs& args) {
  if (args.k.element_count() == 0) return;
  CudaStream& cuda_stream = CudaStreamOf(stream);
  if (Vectors(args.k) && Vectors(args.v) && Vectors(args.cached_k) &&
      Vectors(args.cached_v)) {
    Run<uint4>(cuda_stream, args);
  } else {
    ForFloating(args.k.dtype(),
                [&](auto zero) { Run<decltype(zero)>(cuda_stream, args); });
  }
}

}  // namespace switchyard::kernels::cuda
