// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Elements of tensors in kernels: fp32 and bf16 as fp32, and views with rows.
#ifndef SWITCHYARD_KERNELS_CUDA_ELEMENTS_CUH_
#define SWITCHYARD_KERNELS_CUDA_ELEMENTS_CUH_

#include <cstdint>

#include "switchyard/base/tensor_view.h"
#include "switchyard/kernels/cuda/portable.cuh"

namespace switchyard::kernels::cuda {

using BFloat = __nv_bfloat16;

__device__ __forceinline__ float ToFloat(float x) { return x; }
__device__ __forceinline__ float ToFloat(BFloat x) {
  return __bfloat162float(x);
}

// Rounded to nearest even.
template <typename T>
__device__ __forceinline__ T FromFloat(float x);
template <>
__device__ __forceinline__ float FromFloat<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ BFloat FromFloat<BFloat>(float x) {
  return __float2bfloat16_rn(x);
}

// Rows of a tensor: what a kernel is given of a view. Rows may be strided.
template <typename T>
struct Rows {
  T* data = nullptr;
  int64_t stride = 0;

  __device__ __forceinline__ T* operator[](int64_t row) const {
    return data + row * stride;
  }
};

template <typename T>
Rows<const T> RowsOf(const ConstTensorView& view) {
  return {static_cast<const T*>(view.raw()), view.row_stride()};
}
template <typename T>
Rows<T> MutableRowsOf(const TensorView& view) {
  return {static_cast<T*>(view.raw()), view.row_stride()};
}

// What a thread accesses at once, at most.
inline constexpr int64_t kAccessBytes = 16;

// Whether the first row, or every row, begins at a multiple of so many bytes.
inline bool BeginsAligned(const ConstTensorView& view, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(view.raw()) %
             static_cast<uintptr_t>(bytes) ==
         0;
}
inline bool RowsAligned(const ConstTensorView& view,
                        int64_t bytes = kAccessBytes) {
  const bool one_row = view.shape().rank() == 1 || view.dim(0) <= 1;
  const int64_t pitch =
      view.row_stride() * static_cast<int64_t>(SizeOf(view.dtype()));
  return BeginsAligned(view, bytes) && (one_row || pitch % bytes == 0);
}

// Calls `function` with a value of the C++ type of fp32 or bf16.
template <typename Function>
void ForFloating(DType dtype, const Function& function) {
  if (dtype == DType::kFloat32) {
    function(float());
  } else {
    function(BFloat());
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ELEMENTS_CUH_
