// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of 32 heads in shared memory as fp32, and their products. 128 threads
// are 8 groups of 16; a group owns four rows of a product, and a thread of it
// the columns tx, tx + 16, ... of these. A row stays within a group, which is
// half a warp, so that warps need not wait for each other between a product and
// the next.
#ifndef SWITCHYARD_KERNELS_CUDA_ATTENTION_PLAIN_CUH_
#define SWITCHYARD_KERNELS_CUDA_ATTENTION_PLAIN_CUH_

#include <type_traits>

#include "switchyard/kernels/cuda/attention_shape.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kPlainThreads = 128;
inline constexpr int kPlainTile = 32;  // rows of any tile
inline constexpr int kGroup = 16;      // threads that share rows
inline constexpr int kOwnRows = 4;     // of a group
inline constexpr int kOwnColumns = kPlainTile / kGroup;
inline constexpr int kWeightStride = kPlainTile + 1;
static_assert(kPlainThreads / kGroup * kOwnRows == kPlainTile);

// Four more than the columns: rows of neighbours in a group begin in different
// banks, at multiples of 16 bytes.
template <int kWidth>
inline constexpr int kPlainStride = kWidth + 4;
template <int kWidth>
inline constexpr int kPlainElements = kPlainTile* kPlainStride<kWidth>;
inline constexpr int kWeightElements = kPlainTile * kWeightStride;

__device__ __forceinline__ int GroupLane() { return threadIdx.x % kGroup; }
__device__ __forceinline__ int FirstOwnRow() {
  return threadIdx.x / kGroup * kOwnRows;
}

// Rows and columns that do not exist are zero.
template <int kWidth, typename Place, typename T>
__device__ __forceinline__ void LoadPlain(float* tile, const Place& place,
                                          const Rows<const T>& rows,
                                          int head_dim) {
#pragma unroll 2
  for (int i = threadIdx.x; i < kPlainTile * kWidth; i += kPlainThreads) {
    const int row = i / kWidth, column = i % kWidth;
    const bool there = row < place.count && column < head_dim;
    tile[row * kPlainStride<kWidth> + column] =
        there ? ToFloat(place.Of(rows, row)[column]) : 0.0f;
  }
}

// products[i][j] = the group's row i of a · row tx + 16 j of b.
template <int kWidth>
__device__ __forceinline__ void MultiplyPlain(
    float (&products)[kOwnRows][kOwnColumns], const float* a, const float* b) {
  const float* own = a + FirstOwnRow() * kPlainStride<kWidth>;
  const float* other = b + GroupLane() * kPlainStride<kWidth>;
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) products[i][j] = 0.0f;
  }
#pragma unroll 2
  for (int column = 0; column < kWidth; column += 4) {
    float4 right[kOwnColumns];
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) {
      right[j] = *reinterpret_cast<const float4*>(
          other + j * kGroup * kPlainStride<kWidth> + column);
    }
#pragma unroll
    for (int i = 0; i < kOwnRows; ++i) {
      const float4 left = *reinterpret_cast<const float4*>(
          own + i * kPlainStride<kWidth> + column);
#pragma unroll
      for (int j = 0; j < kOwnColumns; ++j) {
        float& sum = products[i][j];
        sum = fmaf(left.x, right[j].x, sum);
        sum = fmaf(left.y, right[j].y, sum);
        sum = fmaf(left.z, right[j].z, sum);
        sum = fmaf(left.w, right[j].w, sum);
      }
    }
  }
}

// Puts a thread's products where its group finds them (behind a __syncwarp).
__device__ __forceinline__ void KeepWeights(
    float* weights, const float (&products)[kOwnRows][kOwnColumns]) {
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) {
      weights[(FirstOwnRow() + i) * kWeightStride + GroupLane() + j * kGroup] =
          products[i][j];
    }
  }
}

// A thread's share of four rows of heads.
template <int kWidth>
using PlainSums = float[kOwnRows][kWidth / kGroup];

// sums += the group's rows of weights · tile, row by row of the tile.
template <int kWidth>
__device__ __forceinline__ void AddPlain(PlainSums<kWidth>& sums,
                                         const float* weights,
                                         const float* tile) {
  const float* own = weights + FirstOwnRow() * kWeightStride;
#pragma unroll 2
  for (int row = 0; row < kPlainTile; ++row) {
    float left[kOwnRows];
#pragma unroll
    for (int i = 0; i < kOwnRows; ++i) left[i] = own[i * kWeightStride + row];
#pragma unroll
    for (int j = 0; j < kWidth / kGroup; ++j) {
      const float right =
          tile[row * kPlainStride<kWidth> + GroupLane() + j * kGroup];
#pragma unroll
      for (int i = 0; i < kOwnRows; ++i) {
        sums[i][j] = fmaf(left[i], right, sums[i][j]);
      }
    }
  }
}

// Stores sums times a factor, rounded.
template <int kWidth, typename Place, typename T>
__device__ __forceinline__ void StorePlain(const PlainSums<kWidth>& sums,
                                           float factor, const Place& place,
                                           const Rows<T>& rows, int head_dim) {
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
    const int row = FirstOwnRow() + i;
    if (row >= place.count) continue;
    T* to = place.Of(rows, row);
#pragma unroll
    for (int j = 0; j < kWidth / kGroup; ++j) {
      const int column = GroupLane() + j * kGroup;
      if (column < head_dim) to[column] = FromFloat<T>(sums[i][j] * factor);
    }
  }
}

// function(columns of tiles as a constant), for any head up to kMaxHeadDim.
template <typename Function>
void ForPlainWidth(int64_t head_dim, const Function& function) {
  if (head_dim <= 32) {
    function(std::integral_constant<int, 32>());
  } else if (head_dim <= 64) {
    function(std::integral_constant<int, 64>());
  } else if (head_dim <= 128) {
    function(std::integral_constant<int, 128>());
  } else {
    function(std::integral_constant<int, 256>());
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ATTENTION_PLAIN_CUH_
