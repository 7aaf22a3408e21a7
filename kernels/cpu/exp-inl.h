// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// exp, exp2 and log of fp32 vectors. NaN gives NaN, which Highway's own do not
// promise, so that a bad value is seen where losses and gradients are checked.
//
// Per-target: include it after hwy/highway.h.
#if defined(SWITCHYARD_KERNELS_CPU_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_EXP_INL_H_
#undef SWITCHYARD_KERNELS_CPU_EXP_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_EXP_INL_H_
#endif

#include <cstdint>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// x rounded to an integer: `number` as a float, and `scale` = 2^x for x in
// [-127, 128], where 2^-127 counts as 0 and 2^128 as infinity. Adding 1.5 ·
// 2^23 leaves the integer in the lowest bits.
template <class V>
struct RoundedExponent {
  V number, scale;
};

template <class D, class V = hn::Vec<D>>
HWY_INLINE RoundedExponent<V> RoundExponent(D d, V x) {
  const hn::Rebind<int32_t, D> di;
  constexpr int32_t kShiftedZero = 0x4B400000;  // the bits of 1.5 · 2^23
  const V shift = hn::Set(d, 12582912.0f);
  const V shifted = hn::Add(x, shift);
  const auto biased =
      hn::Sub(hn::BitCast(di, shifted), hn::Set(di, kShiftedZero - 127));
  return {hn::Sub(shifted, shift), hn::BitCast(d, hn::ShiftLeft<23>(biased))};
}

// The greater of both; NaN if x is.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V AtLeast(D d, float bound, V x) {
  const V low = hn::Set(d, bound);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3
  return hn::Max(low, x);  // these processors return the second if one is NaN
#else
  return hn::IfThenElse(hn::Lt(x, low), low, x);
#endif
}

// 2^x within 2 ulp for x below 127.5; 0 below -126.5. The polynomial is Cephes'
// exp2f (Moshier), on [-0.5, 0.5].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V VectorExp2(D d, V x) {
  x = AtLeast(d, -127.0f, x);
  const RoundedExponent<V> n = RoundExponent(d, x);
  const V f = hn::Sub(x, n.number);
  V p = hn::Set(d, 1.535336188319500e-4f);
  p = hn::MulAdd(p, f, hn::Set(d, 1.339887440266574e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 9.618437357674640e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 5.550332471162809e-2f));
  p = hn::MulAdd(p, f, hn::Set(d, 2.402264791363012e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 6.931472028550421e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  return hn::Mul(p, n.scale);
}

// e^x within 2 ulp; 0 below -87.7, infinity above 88.3. ln 2 is subtracted in
// two parts (Cody and Waite); the polynomial is Cephes' expf.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V VectorExp(D d, V x) {
  const V high = hn::Set(d, 89.0f);
  x = AtLeast(d, -88.0f, hn::IfThenElse(hn::Gt(x, high), high, x));
  const RoundedExponent<V> n =
      RoundExponent(d, hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  V f = hn::NegMulAdd(n.number, hn::Set(d, 0.693359375f), x);
  f = hn::NegMulAdd(n.number, hn::Set(d, -2.12194440e-4f), f);
  V p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, f, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 5.0000001201e-1f));
  p = hn::MulAdd(p, hn::Mul(f, f), hn::Add(f, hn::Set(d, 1.0f)));
  return hn::Mul(p, n.scale);
}

// ln x of positive x.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V VectorLog(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Log(d, x));
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
