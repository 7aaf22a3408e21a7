// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/activation.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/activation.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/sigmoid-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// f(a) and f'(a).
struct ValueAndSlope {
  V value, slope;
};

struct Silu {
  static HWY_INLINE ValueAndSlope At(V a) {
    const D d;
    const SigmoidPair<V> s = Sigmoid(d, a);
    const V slope =
        hn::Mul(s.sigmoid, hn::MulAdd(a, s.complement, hn::Set(d, 1.0f)));
    return {hn::Mul(a, s.sigmoid), slope};
  }
};

struct Relu {
  static HWY_INLINE ValueAndSlope At(V a) {
    const D d;
    const V zero = hn::Zero(d);
    const V one = hn::Set(d, 1.0f);
    // NaN is neither below nor above.
    return {hn::IfThenElse(hn::Lt(a, zero), zero, a),
            hn::IfThenElse(hn::Le(a, zero), zero, one)};
  }
};

// Φ(-x) e^(x²/2) of x >= 0: falls from 1/2 like 1 / (x sqrt(2π)). (x + k) times
// it is a smooth function of t = (x - k) / (x + k) (as in Shepherd and
// Laframboise, Mathematics of Computation 36, 1981). The polynomial
// interpolates it at Chebyshev's points for 0 <= x <= 14, where the exponential
// is 0 in fp32 already, with a relative error below 2e-8.
HWY_INLINE V ScaledTail(V x) {
  constexpr float kShift = 2.5f;
  constexpr float kCoefficients[] = {
      0.706656659801f,     -0.433691991865f,   0.131986980168f,
      0.00923558657217f,   -0.0163862006934f,  -0.00159975517605f,
      0.00252401123246f,   0.000682999479771f, -0.000311702429639f,
      -0.000157107554413f,
  };
  constexpr int kDegree = 9;
  const D d;
  const V one = hn::Set(d, 1.0f);
  const V w = hn::Div(one, hn::Add(x, hn::Set(d, kShift)));
  const V t = hn::NegMulAdd(hn::Set(d, 2.0f * kShift), w, one);
  V p = hn::Set(d, kCoefficients[kDegree]);
  for (int i = kDegree - 1; i >= 0; --i) {
    p = hn::MulAdd(p, t, hn::Set(d, kCoefficients[i]));
  }
  return hn::Mul(p, w);
}

struct Gelu {
  static HWY_INLINE ValueAndSlope At(V a) {
    const D d;
    const V half_square = hn::Mul(hn::Mul(a, hn::Set(d, 0.5f)), a);
    const V e = VectorExp(d, hn::Neg(half_square));
    const V tail = hn::Mul(e, ScaledTail(hn::Abs(a)));
    const V normal = hn::IfThenElse(hn::Gt(a, hn::Zero(d)),
                                    hn::Sub(hn::Set(d, 1.0f), tail), tail);
    const V density = hn::Mul(e, hn::Set(d, 0.398942280401432678f));
    return {hn::Mul(a, normal), hn::MulAdd(a, density, normal)};
  }
};

struct GeluTanh {
  static HWY_INLINE ValueAndSlope At(V a) {
    // Beyond, the sigmoid is 0 or 1 to the last bit, and a cube might overflow.
    constexpr float kFar = 16.0f;
    constexpr float kScale = 1.59576912160573071f;  // 2 sqrt(2/π)
    constexpr float kCubic = 0.044715f * kScale;
    const D d;
    const V far = hn::Set(d, kFar);
    const V x = AtLeast(d, -kFar, hn::IfThenElse(hn::Gt(a, far), far, a));
    const V square = hn::Mul(x, x);
    const V y =
        hn::Mul(x, hn::MulAdd(square, hn::Set(d, kCubic), hn::Set(d, kScale)));
    const V dy =
        hn::MulAdd(square, hn::Set(d, 3.0f * kCubic), hn::Set(d, kScale));
    const SigmoidPair<V> s = Sigmoid(d, y);
    const V bend = hn::Mul(hn::Mul(x, dy), s.complement);
    return {hn::Mul(a, s.sigmoid),
            hn::Mul(s.sigmoid, hn::Add(bend, hn::Set(d, 1.0f)))};
  }
};

template <class F, typename T>
HWY_INLINE void ActivateRun(const T* gate, const T* up, int64_t count, T* act) {
  const D d;
  if (up == nullptr) {
    ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
      StoreFloats(F::At(LoadFloats(d, gate + i, lanes)).value, d, act + i,
                  lanes);
    });
    return;
  }
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const V value = F::At(LoadFloats(d, gate + i, lanes)).value;
    StoreFloats(hn::Mul(value, LoadFloats(d, up + i, lanes)), d, act + i,
                lanes);
  });
}

template <class F, typename T>
HWY_INLINE void DifferentiateRun(const T* gate, const T* up, const T* dact,
                                 int64_t count, T* dgate, T* dup) {
  const D d;
  if (up == nullptr) {
    ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
      const V slope = F::At(LoadFloats(d, gate + i, lanes)).slope;
      StoreFloats(hn::Mul(LoadFloats(d, dact + i, lanes), slope), d, dgate + i,
                  lanes);
    });
    return;
  }
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const ValueAndSlope f = F::At(LoadFloats(d, gate + i, lanes));
    const V u = LoadFloats(d, up + i, lanes);
    const V da = LoadFloats(d, dact + i, lanes);
    StoreFloats(hn::Mul(hn::Mul(da, u), f.slope), d, dgate + i, lanes);
    StoreFloats(hn::Mul(da, f.value), d, dup + i, lanes);
  });
}

template <typename T>
void ActivateBy(Activation function, const T* gate, const T* up, int64_t count,
                T* act) {
  switch (function) {
    case Activation::kSilu:
      return ActivateRun<Silu>(gate, up, count, act);
    case Activation::kGelu:
      return ActivateRun<Gelu>(gate, up, count, act);
    case Activation::kGeluTanh:
      return ActivateRun<GeluTanh>(gate, up, count, act);
    case Activation::kRelu:
      return ActivateRun<Relu>(gate, up, count, act);
  }
}

template <typename T>
void DifferentiateBy(Activation function, const T* gate, const T* up,
                     const T* dact, int64_t count, T* dgate, T* dup) {
  switch (function) {
    case Activation::kSilu:
      return DifferentiateRun<Silu>(gate, up, dact, count, dgate, dup);
    case Activation::kGelu:
      return DifferentiateRun<Gelu>(gate, up, dact, count, dgate, dup);
    case Activation::kGeluTanh:
      return DifferentiateRun<GeluTanh>(gate, up, dact, count, dgate, dup);
    case Activation::kRelu:
      return DifferentiateRun<Relu>(gate, up, dact, count, dgate, dup);
  }
}

void ActivateFloats(Activation function, const float* gate, const float* up,
                    int64_t count, float* act) {
  ActivateBy(function, gate, up, count, act);
}
void ActivateBFloat16s(Activation function, const BFloat16* gate,
                       const BFloat16* up, int64_t count, BFloat16* act) {
  ActivateBy(function, gate, up, count, act);
}
void DifferentiateFloats(Activation function, const float* gate,
                         const float* up, const float* dact, int64_t count,
                         float* dgate, float* dup) {
  DifferentiateBy(function, gate, up, dact, count, dgate, dup);
}
void DifferentiateBFloat16s(Activation function, const BFloat16* gate,
                            const BFloat16* up, const BFloat16* dact,
                            int64_t count, BFloat16* dgate, BFloat16* dup) {
  DifferentiateBy(function, gate, up, dact, count, dgate, dup);
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

// The half of a row that `gated` rows have besides; null otherwise.
template <typename T>
T* SecondHalf(ActivationKind kind, T* first, int64_t width) {
  return kind.gated ? first + width : nullptr;
}

template <typename T, typename Run>
void ForwardRuns(ActivationKind kind, const ConstTensorView& inner,
                 const TensorView& act, int threads, Run run) {
  const int64_t width = act.dim(1);
  ForEachRun(threads, act.dim(0), width, /*packed=*/false,
             [&](int64_t row, int64_t column, int64_t count) {
               const T* gate = ElementAt<T>(inner, row, column);
               run(kind.function, gate, SecondHalf(kind, gate, width), count,
                   ElementAt<T>(act, row, column));
             });
}

template <typename T, typename Run>
void BackwardRuns(ActivationKind kind, const ConstTensorView& inner,
                  const ConstTensorView& dact, const TensorView& dinner,
                  int threads, Run run) {
  const int64_t width = dact.dim(1);
  ForEachRun(threads, dact.dim(0), width, /*packed=*/false,
             [&](int64_t row, int64_t column, int64_t count) {
               const T* gate = ElementAt<T>(inner, row, column);
               T* dgate = ElementAt<T>(dinner, row, column);
               run(kind.function, gate, SecondHalf(kind, gate, width),
                   ElementAt<T>(dact, row, column), count, dgate,
                   SecondHalf(kind, dgate, width));
             });
}

}  // namespace

void Activate(ActivationKind kind, const ConstTensorView& inner,
              const TensorView& act, int threads) {
  if (act.dtype() == DType::kFloat32) {
    ForwardRuns<float>(kind, inner, act, threads,
                       SWITCHYARD_DISPATCH(ActivateFloats));
  } else {
    ForwardRuns<BFloat16>(kind, inner, act, threads,
                          SWITCHYARD_DISPATCH(ActivateBFloat16s));
  }
}

void ActivateBackward(ActivationKind kind, const ConstTensorView& inner,
                      const ConstTensorView& dact, const TensorView& dinner,
                      int threads) {
  if (dact.dtype() == DType::kFloat32) {
    BackwardRuns<float>(kind, inner, dact, dinner, threads,
                        SWITCHYARD_DISPATCH(DifferentiateFloats));
  } else {
    BackwardRuns<BFloat16>(kind, inner, dact, dinner, threads,
                           SWITCHYARD_DISPATCH(DifferentiateBFloat16s));
  }
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
