// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Kernels that give each token a warp and a row of working memory, of whatever
// length: in shared memory where a row fits there, else in scratch. By
// convention lane l owns the elements l, l + 32, ... of a row; only what
// another lane owns needs __syncwarp.
#ifndef SWITCHYARD_KERNELS_CUDA_TOKEN_WARPS_CUH_
#define SWITCHYARD_KERNELS_CUDA_TOKEN_WARPS_CUH_

#include <algorithm>
#include <cstdint>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/portable.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kTokenBlock = 256;  // threads, at most

// What a kernel knows of them.
struct TokenWarps {
  int64_t tokens = 0;
  int64_t row_length = 0;    // in elements of 4 bytes
  float* scratch = nullptr;  // null: the rows are in shared memory

  // The warp's own; may be `tokens` or more.
  __device__ __forceinline__ int64_t Token() const {
    return int64_t{blockIdx.x} * WarpCount() + Warp();
  }
  template <typename T>
  __device__ __forceinline__ T* Row() const {
    static_assert(sizeof(T) == sizeof(float));
    float* row = scratch == nullptr
                     ? SWITCHYARD_DYNAMIC_SHARED(float) + Warp() * row_length
                     : scratch + Token() * row_length;
    return reinterpret_cast<T*>(row);
  }
};

// Runs a kernel of theirs.
template <typename Args>
void RunTokenWarps(CudaStream& stream, int64_t tokens, int64_t row_length,
                   void (*kernel)(TokenWarps, Args), const Args& args) {
  constexpr int64_t kSharedBytes = 48 << 10;  // of a block, unless it asks
  constexpr int64_t kMostWarps = kTokenBlock / kWarp;
  if (tokens == 0) return;
  const int64_t row_bytes = row_length * static_cast<int64_t>(sizeof(float));
  const bool shared = row_bytes <= kSharedBytes;
  const int64_t fitting =
      shared && row_bytes > 0 ? kSharedBytes / row_bytes : kMostWarps;
  const int64_t warps = std::min(kMostWarps, fitting);
  StreamScratch<float> scratch(stream, shared ? 0 : tokens * row_length);
  SWITCHYARD_RUN(kernel,
                 dim3(static_cast<unsigned>((tokens + warps - 1) / warps)),
                 dim3(static_cast<unsigned>(warps * kWarp)),
                 static_cast<size_t>(shared ? warps * row_bytes : 0), stream,
                 TokenWarps{tokens, row_length, scratch.data()}, args);
}

// Sum of term(j) for j < count, in order, for all lanes: lane j % 32 makes it.
template <typename Term>
__device__ __forceinline__ float OrderedSum(int64_t count, const Term& term) {
  float sum = 0.0f;
  for (int64_t begin = 0; begin < count; begin += kWarp) {
    const int64_t j = begin + Lane();
    const float own = j < count ? term(j) : 0.0f;
    for (int i = 0; i < kWarp && begin + i < count; ++i) {
      sum += __shfl_sync(kAllLanes, own, i);
    }
  }
  return sum;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_TOKEN_WARPS_CUH_
