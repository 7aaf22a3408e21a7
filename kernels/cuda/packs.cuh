// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Elements that a thread loads and stores at once: 16 bytes of them where all
// rows of all operands allow it, else one.
#ifndef SWITCHYARD_KERNELS_CUDA_PACKS_CUH_
#define SWITCHYARD_KERNELS_CUDA_PACKS_CUH_

#include <cstdint>
#include <initializer_list>

#include "switchyard/base/tensor_view.h"
#include "switchyard/kernels/cuda/elements.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kPackBytes = 16;

template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) ElementPack {
  static constexpr int kSize = kCount;

  T values[kCount];
};

__device__ __forceinline__ uint32_t WordOf(const float* values) {
  return __float_as_uint(values[0]);
}
__device__ __forceinline__ uint32_t WordOf(const BFloat* values) {
  const uint32_t low = __bfloat16_as_ushort(values[0]);
  const uint32_t high = __bfloat16_as_ushort(values[1]);
  return low | high << 16;
}

template <typename T>
__device__ __forceinline__ void LoadPack(const T* at, ElementPack<T, 1>& pack) {
  pack.values[0] = *at;
}
template <typename T, int kCount>
__device__ __forceinline__ void LoadPack(const T* at,
                                         ElementPack<T, kCount>& pack) {
  pack = *reinterpret_cast<const ElementPack<T, kCount>*>(at);
}

// In words, for nvcc takes a store of the elements apart.
template <typename T>
__device__ __forceinline__ void StorePack(const ElementPack<T, 1>& pack,
                                          T* at) {
  *at = pack.values[0];
}
template <typename T, int kCount>
__device__ __forceinline__ void StorePack(const ElementPack<T, kCount>& pack,
                                          T* at) {
  static_assert(sizeof(pack) == kPackBytes);
  constexpr int kOfWord = kCount / 4;
  __stcg(reinterpret_cast<uint4*>(at),
         make_uint4(WordOf(pack.values), WordOf(pack.values + kOfWord),
                    WordOf(pack.values + 2 * kOfWord),
                    WordOf(pack.values + 3 * kOfWord)));
}

// Whether every row of the view is a number of whole packs.
inline bool TakesPacks(const ConstTensorView& view) {
  const int64_t size = SizeOf(view.dtype());
  const auto aligned = [](int64_t bytes) { return bytes % kPackBytes == 0; };
  return aligned(static_cast<int64_t>(
             reinterpret_cast<std::uintptr_t>(view.raw()))) &&
         aligned(view.row_stride() * size) &&
         aligned(view.shape().row_element_count() * size);
}

// Calls `function` with an element and with a pack of the type of `views`,
// which have one dtype, fp32 or bf16.
template <typename Function>
void ForPacks(std::initializer_list<ConstTensorView> views,
              const Function& function) {
  bool packs = true;
  for (const ConstTensorView& view : views) packs = packs && TakesPacks(view);
  ForFloating(views.begin()->dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (packs) {
      function(zero, ElementPack<T, kPackBytes / sizeof(T)>());
    } else {
      function(zero, ElementPack<T, 1>());
    }
  });
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PACKS_CUH_
