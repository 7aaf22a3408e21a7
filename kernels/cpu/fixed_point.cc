// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Conversion uses doubles: an fp32 number times a power of two is exact in
// them, and adding 1.5 * 2^52 rounds a number below 2^51 to an integer, to
// nearest even, which then stands in the low bits of the sum.
#include "switchyard/kernels/cpu/fixed_point.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/fixed_point.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

// One number of which the bits below the binary point are rounded away.
constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52
constexpr int64_t kRounderBits = 0x4338000000000000;

using DoubleTag = hn::ScalableTag<double>;
using IntegerTag = hn::ScalableTag<int64_t>;
using HalfFloatTag = hn::Rebind<float, DoubleTag>;

// For |x * scale| < 2^51.
HWY_INLINE hn::Vec<IntegerTag> RoundSmall(hn::Vec<DoubleTag> x,
                                          hn::Vec<DoubleTag> scale) {
  const DoubleTag d;
  const IntegerTag di;
  const auto rounded = hn::MulAdd(x, scale, hn::Set(d, kRounder));
  return hn::Sub(hn::BitCast(di, rounded), hn::Set(di, kRounderBits));
}

// For |x * scale| < 2^63: in units of 2^32 first, then the rest, which is
// exact. A multiple of 2^32 is even, so ties round as in one step.
HWY_INLINE hn::Vec<IntegerTag> RoundLarge(hn::Vec<DoubleTag> x,
                                          hn::Vec<DoubleTag> scale) {
  const DoubleTag d;
  const IntegerTag di;
  const auto rounder = hn::Set(d, kRounder);
  const auto scaled = hn::Mul(x, scale);
  const auto upper = hn::Add(hn::Mul(scaled, hn::Set(d, 0x1p-32)), rounder);
  const auto rest =
      hn::Sub(scaled, hn::Mul(hn::Sub(upper, rounder), hn::Set(d, 0x1p32)));
  const auto lower = hn::Add(rest, rounder);
  const auto upper_integer = hn::ShiftLeft<32>(hn::BitCast(di, upper));
  const auto lower_integer =
      hn::Sub(hn::BitCast(di, lower), hn::Set(di, kRounderBits));
  return hn::Add(upper_integer, lower_integer);
}

bool AllBelow(const float* x, int64_t count, float bound) {
  const hn::ScalableTag<float> d;
  const auto limit = hn::Set(d, bound);
  bool below = true;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    below &= hn::AllTrue(d, hn::Lt(hn::Abs(Load(d, x + i, lanes)), limit));
  });
  return below;
}

void AddSmall(const float* leaf, int64_t count, double scale, int64_t* sum) {
  const DoubleTag d;
  const IntegerTag di;
  const HalfFloatTag df;
  const auto scales = hn::Set(d, scale);
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = hn::PromoteTo(d, Load(df, leaf + i, lanes));
    const auto total = hn::Add(Load(di, sum + i, lanes), RoundSmall(x, scales));
    Store(total, di, sum + i, lanes);
  });
}

int64_t AddChecked(const float* leaf, int64_t count, double scale, float limit,
                   int64_t* sum) {
  const DoubleTag d;
  const IntegerTag di;
  const HalfFloatTag df;
  const auto scales = hn::Set(d, scale);
  const auto limits = hn::Set(d, static_cast<double>(limit));
  int64_t refused = 0;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = hn::PromoteTo(d, Load(df, leaf + i, lanes));
    const auto accepted = hn::Lt(hn::Abs(x), limits);
    refused += static_cast<int64_t>(hn::CountTrue(d, hn::Not(accepted)));
    const auto addend = RoundLarge(hn::IfThenElseZero(accepted, x), scales);
    Store(hn::Add(Load(di, sum + i, lanes), addend), di, sum + i, lanes);
  });
  return refused;
}

// In chunks that stay in the first-level cache: look at them, then add them by
// the quick way if they allow it. Both ways give the same integers.
int64_t AddRun(const float* leaf, int64_t count, int fraction_bits, float limit,
               int64_t* sum) {
  constexpr int64_t kChunk = 1024;
  const double scale = std::ldexp(1.0, fraction_bits);
  const float bound =
      std::min(limit, static_cast<float>(std::ldexp(1.0, 51 - fraction_bits)));
  int64_t refused = 0;
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t length = std::min(kChunk, count - begin);
    if (AllBelow(leaf + begin, length, bound)) {
      AddSmall(leaf + begin, length, scale, sum + begin);
    } else {
      refused += AddChecked(leaf + begin, length, scale, limit, sum + begin);
    }
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
  return SWITCHYARD_DISPATCH(AddRun)(leaf, count, format.fraction_bits,
                                     format.limit, sum);
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
