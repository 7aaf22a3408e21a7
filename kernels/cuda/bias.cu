// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory: y is read and written once, dy read once.
#include <cstdint>

#include "switchyard/kernels/cuda/bias.h"
#include "switchyard/kernels/cuda/column_sums.cuh"
#include "switchyard/kernels/cuda/pieces.cuh"

namespace switchyard::kernels::cuda {
namespace {

template <typename T>
struct BiasAddition {
  const T* bias;
  Rows<T> y;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    float sum[kCount], b[kCount];
    LoadPiece(y[row] + column, sum);
    LoadPiece(bias + column, b);
#pragma unroll
    for (int i = 0; i < kCount; ++i) sum[i] += b[i];
    StorePiece(sum, y[row] + column);
  }
};

template <typename T>
struct RowTerm {
  Rows<const T> dy;

  __device__ __forceinline__ float operator()(int64_t row, int64_t column,
                                              float sum) const {
    return sum + ToFloat(dy[row][column]);
  }
};

}  // namespace

void AddBias(Stream& stream, const ConstTensorView& bias, const TensorView& y) {
  ForFloating(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    ForEachPiece<kPerAccess<T>>(
        CudaStreamOf(stream),
        RowPieces<kPerAccess<T>>(y.dim(0), y.dim(1), bias, y),
        BiasAddition<T>{static_cast<const T*>(bias.raw()),
                        MutableRowsOf<T>(y)});
  });
}

void BiasGradient(Stream& stream, const ConstTensorView& dy,
                  const TensorView& leaf) {
  ForFloating(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    ColumnSums(CudaStreamOf(stream), dy.dim(0), dy.dim(1),
               RowTerm<T>{RowsOf<T>(dy)}, leaf.data<float>());
  });
}

}  // namespace switchyard::kernels::cuda
