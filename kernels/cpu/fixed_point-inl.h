// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Adding fp32 numbers to fixed-point sums, for operators that do it while a
// leaf is in registers or in cache.
//
// Conversion uses doubles: an fp32 number times a power of two is exact in
// them, and adding 1.5 * 2^52 rounds a number below 2^51 to an integer, to
// nearest even, which then stands in the low bits of the sum.
#if defined(SWITCHYARD_KERNELS_CPU_FIXED_POINT_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_FIXED_POINT_INL_H_
#undef SWITCHYARD_KERNELS_CPU_FIXED_POINT_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_FIXED_POINT_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"
#include "switchyard/kernels/fixed_point.h"

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

// What adding needs, computed once an operator.
struct FixedPointAdder {
  explicit FixedPointAdder(const FixedPoint& format)
      : scale(std::ldexp(1.0, format.fraction_bits)),
        limit(format.limit),
        small(std::min(limit, static_cast<float>(std::ldexp(
                                  1.0, 51 - format.fraction_bits)))) {}

  double scale;  // units in 1
  float limit;   // what is not below it is refused
  float small;   // what is below it can be added by the quick way
};

HWY_INLINE bool AllBelow(const float* x, int64_t count, float bound) {
  const hn::ScalableTag<float> d;
  const auto limit = hn::Set(d, bound);
  bool below = true;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    below &= hn::AllTrue(d, hn::Lt(hn::Abs(Load(d, x + i, lanes)), limit));
  });
  return below;
}

// For elements that are all below adder.small.
HWY_INLINE void AddSmall(const float* leaf, int64_t count,
                         const FixedPointAdder& adder, int64_t* sum) {
  const DoubleTag d;
  const IntegerTag di;
  const HalfFloatTag df;
  const auto scale = hn::Set(d, adder.scale);
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = hn::PromoteTo(d, Load(df, leaf + i, lanes));
    const auto total = hn::Add(Load(di, sum + i, lanes), RoundSmall(x, scale));
    Store(total, di, sum + i, lanes);
  });
}

// For any elements; returns how many were refused.
HWY_INLINE int64_t AddChecked(const float* leaf, int64_t count,
                              const FixedPointAdder& adder, int64_t* sum) {
  const DoubleTag d;
  const IntegerTag di;
  const HalfFloatTag df;
  const auto scale = hn::Set(d, adder.scale);
  const auto limit = hn::Set(d, static_cast<double>(adder.limit));
  int64_t refused = 0;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = hn::PromoteTo(d, Load(df, leaf + i, lanes));
    const auto accepted = hn::Lt(hn::Abs(x), limit);
    refused += static_cast<int64_t>(hn::CountTrue(d, hn::Not(accepted)));
    const auto addend = RoundLarge(hn::IfThenElseZero(accepted, x), scale);
    Store(hn::Add(Load(di, sum + i, lanes), addend), di, sum + i, lanes);
  });
  return refused;
}

// Both ways give the same integers.
HWY_INLINE int64_t AddElements(const float* leaf, int64_t count,
                               const FixedPointAdder& adder, int64_t* sum) {
  if (AllBelow(leaf, count, adder.small)) {
    AddSmall(leaf, count, adder, sum);
    return 0;
  }
  return AddChecked(leaf, count, adder, sum);
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
