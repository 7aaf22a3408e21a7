// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The logistic function of fp32 vectors.
//
// Per-target: include it after hwy/highway.h.
#if defined(SWITCHYARD_KERNELS_CPU_SIGMOID_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_SIGMOID_INL_H_
#undef SWITCHYARD_KERNELS_CPU_SIGMOID_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_SIGMOID_INL_H_
#endif

#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

template <class V>
struct SigmoidPair {
  V sigmoid;     // 1 / (1 + e^-x)
  V complement;  // 1 - sigmoid
};

// From e^-|x|, which does not overflow; neither result is a difference, so both
// have small relative errors: 2 ulp of the exponential, and one rounding each
// of the sum, the quotient and the product.
template <class D, class V = hn::Vec<D>>
HWY_INLINE SigmoidPair<V> Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V e = VectorExp(d, hn::Neg(hn::Abs(x)));
  const V larger = hn::Div(one, hn::Add(one, e));
  const V smaller = hn::Mul(e, larger);
  const auto positive = hn::Ge(x, hn::Zero(d));
  return {hn::IfThenElse(positive, larger, smaller),
          hn::IfThenElse(positive, smaller, larger)};
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
