// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums and maxima over the threads of a warp or a block, in a fixed order.
#ifndef SWITCHYARD_KERNELS_CUDA_REDUCTIONS_CUH_
#define SWITCHYARD_KERNELS_CUDA_REDUCTIONS_CUH_

#include "switchyard/kernels/cuda/portable.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

__device__ __forceinline__ int Lane() { return threadIdx.x % kWarp; }
__device__ __forceinline__ int Warp() { return threadIdx.x / kWarp; }
__device__ __forceinline__ int WarpCount() { return blockDim.x / kWarp; }

// Every lane gets the same bits: each step adds the same two numbers.
template <typename T>
__device__ __forceinline__ T WarpSum(T value) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

__device__ __forceinline__ float WarpMax(float value) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

// Of all threads; `shared` has kWarp elements, and may be used again at once.
template <typename T>
__device__ __forceinline__ T BlockSum(T value, T* shared) {
  value = WarpSum(value);
  if (Lane() == 0) shared[Warp()] = value;
  __syncthreads();
  value = Lane() < WarpCount() ? shared[Lane()] : T(0);
  __syncthreads();
  return WarpSum(value);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_REDUCTIONS_CUH_
