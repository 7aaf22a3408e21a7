// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The greatest of a row, again and again. In descending order a row of ranks
// has scores, those that are NaN, and what is out, so that distinct places are
// found where there are as many.
#ifndef SWITCHYARD_KERNELS_CUDA_SELECTION_CUH_
#define SWITCHYARD_KERNELS_CUDA_SELECTION_CUH_

#include <climits>
#include <cstdint>

#include "switchyard/kernels/cuda/portable.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {

inline constexpr float kOut = -__builtin_huge_valf();
inline constexpr float kNaNRank = -3.0e38f;
inline constexpr float kLeastScore = -2.0e38f;

__device__ __forceinline__ float RankOf(float score) {
  return isnan(score) ? kNaNRank : fmaxf(score, kLeastScore);
}

// Unsigned numbers in the order of floats that are not NaN, above 0. The
// addition makes 0 of -0.
__device__ __forceinline__ unsigned OrderedBits(float value) {
  constexpr unsigned kSign = 0x80000000u;
  const unsigned bits = __float_as_uint(value + 0.0f);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

// For all lanes the first place of the greatest of `count` values, which are
// not NaN. A lane reads its own.
__device__ __forceinline__ int FirstGreatest(const float* row, int64_t count) {
  unsigned best = 0;
  int place = INT_MAX;
  for (int64_t i = Lane(); i < count; i += kWarp) {
    const unsigned bits = OrderedBits(row[i]);
    if (bits > best) {
      best = bits;
      place = static_cast<int>(i);
    }
  }
  const unsigned greatest = __reduce_max_sync(kAllLanes, best);
  const int first = best == greatest ? place : INT_MAX;
  return __reduce_min_sync(kAllLanes, first);
}

// Likewise, and takes it out.
__device__ __forceinline__ int TakeGreatest(float* row, int64_t count) {
  const int place = FirstGreatest(row, count);
  if (Lane() == place % kWarp) row[place] = kOut;
  return place;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_SELECTION_CUH_
