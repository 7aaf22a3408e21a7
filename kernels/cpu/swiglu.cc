// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/swiglu.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/swiglu.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/sigmoid-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

template <typename T>
HWY_INLINE void ActivateRun(const T* gate, const T* up, int64_t count, T* act) {
  const D d;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const V g = LoadFloats(d, gate + i, lanes);
    const V silu = hn::Mul(g, Sigmoid(d, g).sigmoid);
    StoreFloats(hn::Mul(silu, LoadFloats(d, up + i, lanes)), d, act + i, lanes);
  });
}

template <typename T>
HWY_INLINE void DifferentiateRun(const T* gate, const T* up, const T* dact,
                                 int64_t count, T* dgate, T* dup) {
  const D d;
  const V one = hn::Set(d, 1.0f);
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const V g = LoadFloats(d, gate + i, lanes);
    const V u = LoadFloats(d, up + i, lanes);
    const V da = LoadFloats(d, dact + i, lanes);
    const SigmoidPair<V> s = Sigmoid(d, g);
    const V slope = hn::Mul(s.sigmoid, hn::MulAdd(g, s.complement, one));
    const V silu = hn::Mul(g, s.sigmoid);
    StoreFloats(hn::Mul(hn::Mul(da, u), slope), d, dgate + i, lanes);
    StoreFloats(hn::Mul(da, silu), d, dup + i, lanes);
  });
}

void ActivateFloats(const float* gate, const float* up, int64_t count,
                    float* act) {
  ActivateRun(gate, up, count, act);
}
void ActivateBFloat16s(const BFloat16* gate, const BFloat16* up, int64_t count,
                       BFloat16* act) {
  ActivateRun(gate, up, count, act);
}
void DifferentiateFloats(const float* gate, const float* up, const float* dact,
                         int64_t count, float* dgate, float* dup) {
  DifferentiateRun(gate, up, dact, count, dgate, dup);
}
void DifferentiateBFloat16s(const BFloat16* gate, const BFloat16* up,
                            const BFloat16* dact, int64_t count,
                            BFloat16* dgate, BFloat16* dup) {
  DifferentiateRun(gate, up, dact, count, dgate, dup);
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"
#include "switchyard/kernels/cpu/row_runs.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(ActivateFloats);
HWY_EXPORT(ActivateBFloat16s);
HWY_EXPORT(DifferentiateFloats);
HWY_EXPORT(DifferentiateBFloat16s);

template <typename T, typename Run>
void ForwardRuns(const ConstTensorView& gate_up, const TensorView& act,
                 int threads, Run run) {
  const int64_t width = act.dim(1);
  ForEachRun(threads, act.dim(0), width, /*packed=*/false,
             [&](int64_t row, int64_t column, int64_t count) {
               const T* gate = ElementAt<T>(gate_up, row, column);
               run(gate, gate + width, count, ElementAt<T>(act, row, column));
             });
}

template <typename T, typename Run>
void BackwardRuns(const ConstTensorView& gate_up, const ConstTensorView& dact,
                  const TensorView& dgate_up, int threads, Run run) {
  const int64_t width = dact.dim(1);
  ForEachRun(threads, dact.dim(0), width, /*packed=*/false,
             [&](int64_t row, int64_t column, int64_t count) {
               const T* gate = ElementAt<T>(gate_up, row, column);
               T* dgate = ElementAt<T>(dgate_up, row, column);
               run(gate, gate + width, ElementAt<T>(dact, row, column), count,
                   dgate, dgate + width);
             });
}

}  // namespace

void SwiGlu(const ConstTensorView& gate_up, const TensorView& act,
            int threads) {
  if (act.dtype() == DType::kFloat32) {
    ForwardRuns<float>(gate_up, act, threads,
                       SWITCHYARD_DISPATCH(ActivateFloats));
  } else {
    ForwardRuns<BFloat16>(gate_up, act, threads,
                          SWITCHYARD_DISPATCH(ActivateBFloat16s));
  }
}

void SwiGluBackward(const ConstTensorView& gate_up, const ConstTensorView& dact,
                    const TensorView& dgate_up, int threads) {
  if (dact.dtype() == DType::kFloat32) {
    BackwardRuns<float>(gate_up, dact, dgate_up, threads,
                        SWITCHYARD_DISPATCH(DifferentiateFloats));
  } else {
    BackwardRuns<BFloat16>(gate_up, dact, dgate_up, threads,
                           SWITCHYARD_DISPATCH(DifferentiateBFloat16s));
  }
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
