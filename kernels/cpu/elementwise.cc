// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/elementwise.h"

#include <algorithm>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/elementwise.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

template <typename T>
HWY_INLINE void AddRun(const T* a, const T* b, int64_t count, T* y) {
  const hn::ScalableTag<float> d;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto sum =
        hn::Add(LoadFloats(d, a + i, lanes), LoadFloats(d, b + i, lanes));
    StoreFloats(sum, d, y + i, lanes);
  });
}

void AddFloats(const float* a, const float* b, int64_t count, float* y) {
  AddRun(a, b, count, y);
}
void AddBFloat16s(const BFloat16* a, const BFloat16* b, int64_t count,
                  BFloat16* y) {
  AddRun(a, b, count, y);
}

template <typename From, typename To>
HWY_INLINE void CastRun(const From* x, int64_t count, To* y) {
  const hn::ScalableTag<float> d;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    StoreFloats(LoadFloats(d, x + i, lanes), d, y + i, lanes);
  });
}

void Narrow(const float* x, int64_t count, BFloat16* y) {
  CastRun(x, count, y);
}
void Widen(const BFloat16* x, int64_t count, float* y) { CastRun(x, count, y); }

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"
#include "switchyard/kernels/cpu/row_runs.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(AddFloats);
HWY_EXPORT(AddBFloat16s);
HWY_EXPORT(Narrow);
HWY_EXPORT(Widen);

template <typename T, typename Run>
void AddRuns(const ConstTensorView& a, const ConstTensorView& b,
             const TensorView& y, int threads, Run run) {
  const bool packed = a.contiguous() && b.contiguous() && y.contiguous();
  ForEachRun(threads, a.dim(0), a.shape().row_element_count(), packed,
             [&](int64_t row, int64_t column, int64_t count) {
               run(ElementAt<T>(a, row, column), ElementAt<T>(b, row, column),
                   count, ElementAt<T>(y, row, column));
             });
}

template <typename From, typename To, typename Run>
void CastRuns(const ConstTensorView& x, const TensorView& y, int threads,
              Run run) {
  const bool packed = x.contiguous() && y.contiguous();
  ForEachRun(threads, x.dim(0), x.shape().row_element_count(), packed,
             [&](int64_t row, int64_t column, int64_t count) {
               run(ElementAt<From>(x, row, column), count,
                   ElementAt<To>(y, row, column));
             });
}

}  // namespace

void Add(const ConstTensorView& a, const ConstTensorView& b,
         const TensorView& y, int threads) {
  if (a.dtype() == DType::kFloat32) {
    AddRuns<float>(a, b, y, threads, SWITCHYARD_DISPATCH(AddFloats));
  } else {
    AddRuns<BFloat16>(a, b, y, threads, SWITCHYARD_DISPATCH(AddBFloat16s));
  }
}

void Cast(const ConstTensorView& x, const TensorView& y, int threads) {
  if (x.dtype() == DType::kFloat32) {
    CastRuns<float, BFloat16>(x, y, threads, SWITCHYARD_DISPATCH(Narrow));
  } else {
    CastRuns<BFloat16, float>(x, y, threads, SWITCHYARD_DISPATCH(Widen));
  }
}

void Fill(float value, const TensorView& y, int threads) {
  ForEachRun(threads, y.dim(0), y.shape().row_element_count(), y.contiguous(),
             [&](int64_t row, int64_t column, int64_t count) {
               std::fill_n(ElementAt<float>(y, row, column), count, value);
             });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
