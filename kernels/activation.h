// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The nonlinearity of a feed-forward network, with or without a gate:
//
//   gated      act = f(gate) · up    (GLU variants: Shazeer, 2002.05202)
//   not gated  act = f(inner)        (Switch, 2101.03961)
//
//   silu       f(a) = a · σ(a)
//   gelu       f(a) = a · Φ(a), Φ the normal distribution: the form with erf
//   gelu_tanh  f(a) = a · σ(2z), z = sqrt(2/π) (a + 0.044715 a³), which is
//              a/2 · (1 + tanh z) (Hendrycks and Gimpel, 1606.08415)
//   relu       f(a) = max(a, 0); slope 0 at 0
//
// Arithmetic in fp32, rounded once. Gated silu is SwiGlu (swiglu.h), to the
// bit. NaN gives NaN.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_ACTIVATION_H_
#define SWITCHYARD_KERNELS_ACTIVATION_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

enum class Activation { kSilu, kGelu, kGeluTanh, kRelu };

struct ActivationKind {
  Activation function = Activation::kSilu;
  bool gated = true;

  // Columns of `inner` below.
  int64_t InnerWidth(int64_t width) const { return gated ? 2 * width : width; }
};

// act [rows, width] from inner [rows, InnerWidth(width)]: gate in the first
// half of its columns and up in the second, if gated. fp32 or bf16.
void Activate(Stream& stream, ActivationKind kind, const ConstTensorView& inner,
              const TensorView& act);

// dgate = dact · up · f'(gate) and dup = dact · f(gate), or
// dinner = dact · f'(inner). dinner may be the same memory as inner.
void ActivateBackward(Stream& stream, ActivationKind kind,
                      const ConstTensorView& inner, const ConstTensorView& dact,
                      const TensorView& dinner);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ACTIVATION_H_
