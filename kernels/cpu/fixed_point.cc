// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/fixed_point.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/fixed_point.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/fixed_point-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

// In chunks that stay in the first-level cache between looking at them and
// adding them.
int64_t AddRun(const float* leaf, int64_t count, const FixedPoint& format,
               int64_t* sum) {
  constexpr int64_t kChunk = 1024;
  const FixedPointAdder adder(format);
  int64_t refused = 0;
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    refused += AddElements(leaf + begin, std::min(kChunk, count - begin), adder,
                           sum + begin);
  }
  return refused;
}

// A sum of 2^53 or more does not fit a double. Its last ten bits are then
// replaced by one that says whether any was set, which no rounding to fp32's
// 24 bits can tell from the bits themselves.
void ConvertRun(const int64_t* sum, int64_t count, int fraction_bits,
                float* values) {
  const DoubleTag d;
  const IntegerTag di;
  const HalfFloatTag df;
  const auto scale = hn::Set(d, std::ldexp(1.0, -fraction_bits));
  const auto large_scale = hn::Set(d, std::ldexp(1.0, 10 - fraction_bits));
  const auto exact = hn::Set(di, int64_t{1} << 53);
  const auto last_bits = hn::Set(di, 0x3FF);
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = Load(di, sum + i, lanes);
    const auto large = hn::Or(hn::Gt(x, exact), hn::Lt(x, hn::Neg(exact)));
    const auto cut = hn::Ne(hn::And(x, last_bits), hn::Zero(di));
    const auto shortened =
        hn::Or(hn::ShiftRight<10>(x), hn::IfThenElseZero(cut, hn::Set(di, 1)));
    const auto integer = hn::IfThenElse(large, shortened, x);
    const auto unit =
        hn::IfThenElse(hn::RebindMask(d, large), large_scale, scale);
    const auto value = hn::Mul(hn::ConvertTo(d, integer), unit);
    Store(hn::DemoteTo(df, value), df, values + i, lanes);
  });
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"
#include "switchyard/kernels/cpu/row_runs.h"

namespace switchyard::kernels::cpu {

HWY_EXPORT(AddRun);
HWY_EXPORT(ConvertRun);

int64_t AddRunToFixedPoint(const float* leaf, int64_t count,
                           const FixedPoint& format, int64_t* sum) {
  return SWITCHYARD_DISPATCH(AddRun)(leaf, count, format, sum);
}

void CountRefused(int64_t refused, const TensorView& counter) {
  if (refused == 0) return;
  __atomic_fetch_add(counter.data<int64_t>(), refused, __ATOMIC_RELAXED);
}

void AddToFixedPoint(const ConstTensorView& leaf, const FixedPoint& format,
                     const GradientSum& gradient, int threads) {
  const bool packed = leaf.contiguous() && gradient.sum.contiguous();
  ForEachRun(threads, leaf.dim(0), leaf.shape().row_element_count(), packed,
             [&](int64_t row, int64_t column, int64_t count) {
               const int64_t refused = AddRunToFixedPoint(
                   ElementAt<float>(leaf, row, column), count, format,
                   ElementAt<int64_t>(gradient.sum, row, column));
               CountRefused(refused, gradient.refused);
             });
}

void FromFixedPoint(const ConstTensorView& sum, const FixedPoint& format,
                    const TensorView& values, int threads) {
  const auto convert_run = SWITCHYARD_DISPATCH(ConvertRun);
  const bool packed = sum.contiguous() && values.contiguous();
  ForEachRun(threads, sum.dim(0), sum.shape().row_element_count(), packed,
             [&](int64_t row, int64_t column, int64_t count) {
               convert_run(ElementAt<int64_t>(sum, row, column), count,
                           format.fraction_bits,
                           ElementAt<float>(values, row, column));
             });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
