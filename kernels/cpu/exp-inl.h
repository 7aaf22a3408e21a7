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

// v · 2^n for n in [-127, 128]: 2^-127 counts as 0, 2^128 as infinity.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TimesPowerOfTwo(D d, V v, hn::Vec<hn::Rebind<int32_t, D>> n) {
  const hn::Rebind<int32_t, D> di;
  const auto exponent = hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127)));
  return hn::Mul(v, hn::BitCast(d, exponent));
}

// x, or the nearer bound of [lowest, highest]; NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ClampKeepingNaN(D d, V x, float lowest, float highest) {
  const V low = hn::Set(d, lowest);
  const V high = hn::Set(d, highest);
  return hn::IfThenElse(hn::Gt(x, high), high,
                        hn::IfThenElse(hn::Lt(x, low), low, x));
}

// 2^x within 2 ulp; 0 below -126.5, infinity above 127.5. The polynomial is
// Cephes' exp2f (Moshier), on
// [-0.5, 0.5].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V VectorExp2(D d, V x) {
  x = ClampKeepingNaN(d, x, -127.0f, 128.0f);
  const auto n = hn::NearestInt(x);
  const V f = hn::Sub(x, hn::ConvertTo(d, n));
  V p = hn::Set(d, 1.535336188319500e-4f);
  p = hn::MulAdd(p, f, hn::Set(d, 1.339887440266574e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 9.618437357674640e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 5.550332471162809e-2f));
  p = hn::MulAdd(p, f, hn::Set(d, 2.402264791363012e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 6.931472028550421e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  return TimesPowerOfTwo(d, p, n);
}

// e^x within 2 ulp; 0 below -87.7, infinity above 88.3. ln 2 is subtracted in
// two parts (Cody and Waite); the polynomial is Cephes' expf.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V VectorExp(D d, V x) {
  x = ClampKeepingNaN(d, x, -88.0f, 89.0f);
  const auto n = hn::NearestInt(hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  const V whole = hn::ConvertTo(d, n);
  V f = hn::NegMulAdd(whole, hn::Set(d, 0.693359375f), x);
  f = hn::NegMulAdd(whole, hn::Set(d, -2.12194440e-4f), f);
  V p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, f, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 5.0000001201e-1f));
  p = hn::MulAdd(p, hn::Mul(f, f), hn::Add(f, hn::Set(d, 1.0f)));
  return TimesPowerOfTwo(d, p, n);
}

// ln x of positive x.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V VectorLog(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Log(d, x));
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
