// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/bias.h"

#include <algorithm>
#include <cstdint>

#include "switchyard/base/cpu/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/bias.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

template <typename T>
void AddToRows(const ConstTensorView& bias, const TensorView& y, int64_t begin,
               int64_t end) {
  const hn::ScalableTag<float> d;
  const T* b = bias.data<T>();
  for (int64_t r = begin; r < end; ++r) {
    T* row = y.data<T>() + r * y.row_stride();
    ForEachVector(d, y.dim(1), [&](int64_t i, auto lanes) HWY_ATTR {
      StoreFloats(
          hn::Add(LoadFloats(d, row + i, lanes), LoadFloats(d, b + i, lanes)),
          d, row + i, lanes);
    });
  }
}

void AddBiasBlock(const ConstTensorView& bias, const TensorView& y,
                  int64_t begin, int64_t end) {
  if (y.dtype() == DType::kFloat32) {
    AddToRows<float>(bias, y, begin, end);
  } else {
    AddToRows<BFloat16>(bias, y, begin, end);
  }
}

// A column's sum is a chain of its own: vectors and blocks change no bit.
constexpr int64_t kRowChunk = 64;

template <typename T>
void SumColumns(const ConstTensorView& dy, int64_t begin, int64_t end,
                float* leaf) {
  const hn::ScalableTag<float> d;
  const int64_t rows = dy.dim(0), stride = dy.row_stride();
  ForEachVector(d, end - begin, [&](int64_t i, auto lanes) HWY_ATTR {
    const T* column = dy.data<T>() + begin + i;
    auto total = hn::Zero(d);
    for (int64_t chunk = 0; chunk < rows; chunk += kRowChunk) {
      auto sum = hn::Zero(d);
      for (int64_t r = chunk; r < std::min(rows, chunk + kRowChunk); ++r) {
        sum = hn::Add(sum, LoadFloats(d, column + r * stride, lanes));
      }
      total = hn::Add(total, sum);
    }
    Store(total, d, leaf + begin + i, lanes);
  });
}

void BiasGradientBlock(const ConstTensorView& dy, int64_t begin, int64_t end,
                       float* leaf) {
  if (dy.dtype() == DType::kFloat32) {
    SumColumns<float>(dy, begin, end, leaf);
  } else {
    SumColumns<BFloat16>(dy, begin, end, leaf);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(AddBiasBlock);
HWY_EXPORT(BiasGradientBlock);

constexpr int64_t kRowBlock = 64;     // of one piece of work
constexpr int64_t kColumnBlock = 64;  // likewise; several vectors

}  // namespace

void AddBias(const ConstTensorView& bias, const TensorView& y, int threads) {
  const auto block = SWITCHYARD_DISPATCH(AddBiasBlock);
  ParallelForBlocks(
      threads, y.dim(0), kRowBlock,
      [&](int64_t begin, int64_t end) { block(bias, y, begin, end); });
}

void BiasGradient(const ConstTensorView& dy, const TensorView& leaf,
                  int threads) {
  const auto block = SWITCHYARD_DISPATCH(BiasGradientBlock);
  float* sums = leaf.data<float>();
  ParallelForBlocks(
      threads, dy.dim(1), kColumnBlock,
      [&](int64_t begin, int64_t end) { block(dy, begin, end, sums); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
