// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory: about 30 operations an element, of 6 bytes and more.
#include <cstdint>

#include "switchyard/kernels/cuda/activation.h"
#include "switchyard/kernels/cuda/activation_functions.cuh"
#include "switchyard/kernels/cuda/pieces.cuh"

namespace switchyard::kernels::cuda {
namespace {

template <typename F, typename T, bool kGated>
struct Forward {
  Rows<const T> inner;  // with `width` columns of up behind the gate
  int64_t width;
  Rows<T> act;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    const T* gate = inner[row] + column;
    float a[kCount], y[kCount];
    LoadPiece(gate, a);
#pragma unroll
    for (int i = 0; i < kCount; ++i) y[i] = F::At(a[i]).value;
    if constexpr (kGated) {
      float up[kCount];
      LoadPiece(gate + width, up);
#pragma unroll
      for (int i = 0; i < kCount; ++i) y[i] *= up[i];
    }
    StorePiece(y, act[row] + column);
  }
};

// dinner may be inner: a thread reads all of its elements first.
template <typename F, typename T, bool kGated>
struct Backward {
  Rows<const T> inner;
  int64_t width;
  Rows<const T> dact;
  Rows<T> dinner;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    const T* gate = inner[row] + column;
    T* dgate = dinner[row] + column;
    float a[kCount], dy[kCount];
    LoadPiece(gate, a);
    LoadPiece(dact[row] + column, dy);
    if constexpr (kGated) {
      float up[kCount];
      LoadPiece(gate + width, up);
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const ValueAndSlope f = F::At(a[i]);
        a[i] = dy[i] * up[i] * f.slope;
        up[i] = dy[i] * f.value;
      }
      StorePiece(up, dgate + width);
    } else {
#pragma unroll
      for (int i = 0; i < kCount; ++i) a[i] = dy[i] * F::At(a[i]).slope;
    }
    StorePiece(a, dgate);
  }
};

template <typename F, typename T, bool kGated>
void RunForward(CudaStream& stream, const ConstTensorView& inner,
                const TensorView& act) {
  constexpr int kCount = kPerAccess<T>;
  const int64_t width = act.dim(1);
  Pieces pieces = RowPieces<kCount>(act.dim(0), width, inner, act);
  if (kGated && width % kCount != 0) pieces.aligned = false;
  ForEachPiece<kCount>(
      stream, pieces,
      Forward<F, T, kGated>{RowsOf<T>(inner), width, MutableRowsOf<T>(act)});
}

template <typename F, typename T, bool kGated>
void RunBackward(CudaStream& stream, const ConstTensorView& inner,
                 const ConstTensorView& dact, const TensorView& dinner) {
  constexpr int kCount = kPerAccess<T>;
  const int64_t width = dact.dim(1);
  Pieces pieces = RowPieces<kCount>(dact.dim(0), width, inner, dact, dinner);
  if (kGated && width % kCount != 0) pieces.aligned = false;
  ForEachPiece<kCount>(
      stream, pieces,
      Backward<F, T, kGated>{RowsOf<T>(inner), width, RowsOf<T>(dact),
                             MutableRowsOf<T>(dinner)});
}

}  // namespace

void Activate(Stream& stream, ActivationKind kind, const ConstTensorView& inner,
              const TensorView& act) {
  ForActivation(kind.function, [&](auto f) {
    ForFloating(act.dtype(), [&](auto zero) {
      using F = decltype(f);
      using T = decltype(zero);
      const auto run =
          kind.gated ? RunForward<F, T, true> : RunForward<F, T, false>;
      run(CudaStreamOf(stream), inner, act);
    });
  });
}

void ActivateBackward(Stream& stream, ActivationKind kind,
                      const ConstTensorView& inner, const ConstTensorView& dact,
                      const TensorView& dinner) {
  ForActivation(kind.function, [&](auto f) {
    ForFloating(dact.dtype(), [&](auto zero) {
      using F = decltype(f);
      using T = decltype(zero);
      const auto run =
          kind.gated ? RunBackward<F, T, true> : RunBackward<F, T, false>;
      run(CudaStreamOf(stream), inner, dact, dinner);
    });
  });
}

}  // namespace switchyard::kernels::cuda
