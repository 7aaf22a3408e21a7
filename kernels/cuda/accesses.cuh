// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Aligned accesses of 8 or 16 bytes to fp32, bf16 and int64 elements. They are
// written out: nvcc does not reliably join stores, even of CUDA's vector types.
#ifndef SWITCHYARD_KERNELS_CUDA_ACCESSES_CUH_
#define SWITCHYARD_KERNELS_CUDA_ACCESSES_CUH_

#include <cstdint>

#include "switchyard/kernels/cuda/elements.cuh"

namespace switchyard::kernels::cuda {

__device__ __forceinline__ void LoadWords(const void* from,
                                          uint32_t (&word)[2]) {
  const uint2 words = *static_cast<const uint2*>(from);
  word[0] = words.x;
  word[1] = words.y;
}
__device__ __forceinline__ void LoadWords(const void* from,
                                          uint32_t (&word)[4]) {
  const uint4 words = *static_cast<const uint4*>(from);
  word[0] = words.x;
  word[1] = words.y;
  word[2] = words.z;
  word[3] = words.w;
}

__device__ __forceinline__ void StoreWords(const uint32_t (&word)[2],
                                           void* to) {
  __stcg(static_cast<uint2*>(to), make_uint2(word[0], word[1]));
}
__device__ __forceinline__ void StoreWords(const uint32_t (&word)[4],
                                           void* to) {
  __stcg(static_cast<uint4*>(to),
         make_uint4(word[0], word[1], word[2], word[3]));
}

// Elements to and from words; the first element lies in the lowest bits. The
// third argument says which type they have in memory; bf16 becomes fp32, or
// stays as it is, whatever its bits.
template <int kWords>
__device__ __forceinline__ void Unpack(const uint32_t (&word)[kWords],
                                       float* values, float) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) values[i] = __uint_as_float(word[i]);
}
template <int kWords>
__device__ __forceinline__ void Unpack(const uint32_t (&word)[kWords],
                                       float* values, BFloat) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    values[2 * i] = __uint_as_float(word[i] << 16);
    values[2 * i + 1] = __uint_as_float(word[i] & 0xFFFF0000u);
  }
}
template <int kWords>
__device__ __forceinline__ void Unpack(const uint32_t (&word)[kWords],
                                       BFloat* values, BFloat) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    values[2 * i] =
        __ushort_as_bfloat16(static_cast<unsigned short>(word[i] & 0xFFFFu));
    values[2 * i + 1] =
        __ushort_as_bfloat16(static_cast<unsigned short>(word[i] >> 16));
  }
}
template <int kWords>
__device__ __forceinline__ void Unpack(const uint32_t (&word)[kWords],
                                       int64_t* values, int64_t) {
#pragma unroll
  for (int i = 0; i < kWords / 2; ++i) {
    values[i] =
        static_cast<int64_t>(uint64_t{word[2 * i + 1]} << 32 | word[2 * i]);
  }
}

template <int kWords>
__device__ __forceinline__ void Pack(const float* values,
                                     uint32_t (&word)[kWords], float) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) word[i] = __float_as_uint(values[i]);
}
__device__ __forceinline__ uint32_t WordOf(BFloat low, BFloat high) {
  return __bfloat16_as_ushort(low) |
         static_cast<uint32_t>(__bfloat16_as_ushort(high)) << 16;
}
template <int kWords>
__device__ __forceinline__ void Pack(const BFloat* values,
                                     uint32_t (&word)[kWords], BFloat) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    word[i] = WordOf(values[2 * i], values[2 * i + 1]);
  }
}
template <int kWords>
__device__ __forceinline__ void Pack(const float* values,
                                     uint32_t (&word)[kWords], BFloat) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    word[i] = WordOf(FromFloat<BFloat>(values[2 * i]),
                     FromFloat<BFloat>(values[2 * i + 1]));
  }
}
template <int kWords>
__device__ __forceinline__ void Pack(const int64_t* values,
                                     uint32_t (&word)[kWords], int64_t) {
#pragma unroll
  for (int i = 0; i < kWords / 2; ++i) {
    word[2 * i] = static_cast<uint32_t>(values[i]);
    word[2 * i + 1] = static_cast<uint32_t>(values[i] >> 32);
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ACCESSES_CUH_
