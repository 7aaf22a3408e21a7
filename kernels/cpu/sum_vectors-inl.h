// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums over a row, for the loops of vector-inl.h.
//
//   const float dot = SumVectors(d, n, [&](int64_t i, auto lanes, V sum)
//                                          HWY_ATTR {
//     return hn::MulAdd(LoadFloats(d, a + i, lanes),
//                       LoadFloats(d, b + i, lanes), sum);
//   });
#if defined(SWITCHYARD_KERNELS_CPU_SUM_VECTORS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_SUM_VECTORS_INL_H_
#undef SWITCHYARD_KERNELS_CPU_SUM_VECTORS_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_SUM_VECTORS_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

// A sum over [0, count) in four chains of additions that do not wait for each
// other: add(i, lanes, sum) returns `sum` and the terms of one vector.
template <class D, typename Add>
HWY_INLINE float SumVectors(D d, int64_t count, const Add& add) {
  using V = hn::Vec<D>;
  const int64_t step = static_cast<int64_t>(hn::Lanes(d));
  V sum0 = hn::Zero(d);
  V sum1 = hn::Zero(d);
  V sum2 = hn::Zero(d);
  V sum3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * step <= count; i += 4 * step) {
    sum0 = add(i, AllLanes(), sum0);
    sum1 = add(i + step, AllLanes(), sum1);
    sum2 = add(i + 2 * step, AllLanes(), sum2);
    sum3 = add(i + 3 * step, AllLanes(), sum3);
  }
  for (; i + step <= count; i += step) sum0 = add(i, AllLanes(), sum0);
  if (i < count)
    sum1 = add(i, FirstLanes{static_cast<size_t>(count - i)}, sum1);
  const V sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
