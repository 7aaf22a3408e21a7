// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels are written with, so that the same source is compiled by nvcc
// and, against tests/emulation, by the host compiler:
//
//   SWITCHYARD_SHARED(float, tile, [4][33]);         // static shared memory
//   float* rows = SWITCHYARD_DYNAMIC_SHARED(float);  // at 128 bytes
//   SWITCHYARD_RUN((Kernel<float>), grid, block, shared_bytes, stream, args...)
//
// Rules, which the emulation relies on:
//   - shared memory and launches only as above; assembler only in mma_ops.cuh
//   - blocks are multiples of 32 threads; warp operations name all 32 lanes
//   - barriers and warp operations under uniform control flow, one a line; no
//     return before a barrier that others wait at
//   - __syncwarp between lanes that write and read shared memory
//   - no float atomics, no waiting for another block, no objects with
//     destructors in kernels
//   - no contraction: fused operations are written out (fmaf), as on the CPU
#ifndef SWITCHYARD_KERNELS_CUDA_PORTABLE_CUH_
#define SWITCHYARD_KERNELS_CUDA_PORTABLE_CUH_

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <utility>

#include "switchyard/base/cuda/cuda_check.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/cuda/cuda_stream.h"

#ifdef __CUDACC__

namespace switchyard::kernels::cuda {

template <typename T>
__device__ __forceinline__ T* DynamicShared() {
  extern __shared__ __align__(128) unsigned char dynamic_shared_bytes[];
  return reinterpret_cast<T*>(dynamic_shared_bytes);
}

template <typename... Params, typename... Args>
cudaError_t Launch(void (*kernel)(Params...), dim3 grid, dim3 block,
                   size_t shared_bytes, cudaStream_t stream, Args&&... args) {
  kernel<<<grid, block, shared_bytes, stream>>>(
      static_cast<Params>(std::forward<Args>(args))...);
  return cudaGetLastError();
}

}  // namespace switchyard::kernels::cuda

#define SWITCHYARD_SHARED(T, name, dims) __shared__ T name dims
#define SWITCHYARD_DYNAMIC_SHARED(T) \
  ::switchyard::kernels::cuda::DynamicShared<T>()
#define SWITCHYARD_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  ::switchyard::kernels::cuda::Launch(kernel, grid, block, shared_bytes,  \
                                      stream, __VA_ARGS__)

#endif  // __CUDACC__

// Launches when there is room, ends the process if that fails, and counts.
#define SWITCHYARD_RUN(kernel, grid, block, shared_bytes, stream, ...)         \
  do {                                                                         \
    (stream).MakeRoom();                                                       \
    SWITCHYARD_CUDA_CHECK(SWITCHYARD_LAUNCH(kernel, grid, block, shared_bytes, \
                                            (stream).handle(), __VA_ARGS__));  \
    (stream).cuda_device().CountLaunch();                                      \
  } while (false)

#endif  // SWITCHYARD_KERNELS_CUDA_PORTABLE_CUH_
