// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory: every byte of an operand passes once.
#include "switchyard/kernels/cuda/elementwise.h"
#include "switchyard/kernels/cuda/pieces.cuh"

namespace switchyard::kernels::cuda {
namespace {

template <typename T>
struct Sum {
  Rows<const T> a, b;
  Rows<T> y;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    float sum[kCount], addend[kCount];
    LoadPiece(a[row] + column, sum);
    LoadPiece(b[row] + column, addend);
#pragma unroll
    for (int i = 0; i < kCount; ++i) sum[i] += addend[i];
    StorePiece(sum, y[row] + column);
  }
};

template <typename From, typename To>
struct Conversion {
  Rows<const From> x;
  Rows<To> y;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    float values[kCount];
    LoadPiece(x[row] + column, values);
    StorePiece(values, y[row] + column);
  }
};

struct Constant {
  float value;
  Rows<float> y;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    float values[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) values[i] = value;
    StorePiece(values, y[row] + column);
  }
};

template <typename From, typename To>
void Convert(CudaStream& stream, const ConstTensorView& x,
             const TensorView& y) {
  constexpr int kCount = kPerAccess<BFloat>;
  ForEachPiece<kCount>(
      stream, FlatPieces<kCount>(x, y),
      Conversion<From, To>{RowsOf<From>(x), MutableRowsOf<To>(y)});
}

}  // namespace

void Add(Stream& stream, const ConstTensorView& a, const ConstTensorView& b,
         const TensorView& y) {
  ForFloating(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    ForEachPiece<kPerAccess<T>>(
        CudaStreamOf(stream), FlatPieces<kPerAccess<T>>(a, b, y),
        Sum<T>{RowsOf<T>(a), RowsOf<T>(b), MutableRowsOf<T>(y)});
  });
}

void Cast(Stream& stream, const ConstTensorView& x, const TensorView& y) {
  if (x.dtype() == DType::kFloat32) {
    Convert<float, BFloat>(CudaStreamOf(stream), x, y);
  } else {
    Convert<BFloat, float>(CudaStreamOf(stream), x, y);
  }
}

void Fill(Stream& stream, float value, const TensorView& y) {
  constexpr int kCount = kPerAccess<float>;
  ForEachPiece<kCount>(CudaStreamOf(stream), FlatPieces<kCount>(y),
                       Constant{value, MutableRowsOf<float>(y)});
}

}  // namespace switchyard::kernels::cuda
