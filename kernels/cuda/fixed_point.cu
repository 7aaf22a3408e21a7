// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory: 20 bytes an element to add, 12 to convert.
#include <cmath>
#include <cstdint>

#include "switchyard/kernels/cuda/fixed_point.h"
#include "switchyard/kernels/cuda/gradient_sum.cuh"
#include "switchyard/kernels/cuda/pieces.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kCount = kPerAccess<float>;

template <typename Adder>
struct Addition {
  Rows<const float> leaf;
  Adder adder;
  Rows<typename Adder::Sum> sum;
  int64_t* refused;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    float x[kCount];
    LoadPiece(leaf[row] + column, x);
    AddPiece(adder, x, sum[row] + column, refused);
  }
};

struct Conversion {
  Rows<const int64_t> sum;
  float unit;
  Rows<float> values;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    int64_t x[kCount];
    float result[kCount];
    LoadPiece(sum[row] + column, x);
#pragma unroll
    for (int i = 0; i < kCount; ++i) result[i] = __ll2float_rn(x[i]) * unit;
    StorePiece(result, values[row] + column);
  }
};

}  // namespace

void AddToFixedPoint(Stream& stream, const ConstTensorView& leaf,
                     const FixedPoint& format, const GradientSum& gradient) {
  ForSum(gradient.sum.dtype(), format, [&](const auto& adder) {
    using Adder = std::decay_t<decltype(adder)>;
    ForEachPiece<kCount>(
        CudaStreamOf(stream), FlatPieces<kCount>(leaf, gradient.sum),
        Addition<Adder>{RowsOf<float>(leaf), adder,
                        MutableRowsOf<typename Adder::Sum>(gradient.sum),
                        gradient.refused.data<int64_t>()});
  });
}

void FromFixedPoint(Stream& stream, const ConstTensorView& sum,
                    const FixedPoint& format, const TensorView& values) {
  if (sum.dtype() == DType::kFloat32) return stream.Copy(values, sum);
  ForEachPiece<kCount>(
      CudaStreamOf(stream), FlatPieces<kCount>(sum, values),
      Conversion{RowsOf<int64_t>(sum), std::ldexp(1.0f, -format.fraction_bits),
                 MutableRowsOf<float>(values)});
}

}  // namespace switchyard::kernels::cuda
