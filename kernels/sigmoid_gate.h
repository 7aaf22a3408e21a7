// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A gate of one learned vector on a whole row: Qwen2-MoE's, of its shared
// expert.
//
//   y[t] += σ(l[t]) · value[t],  l[t] = x[t] · weight
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_SIGMOID_GATE_H_
#define SWITCHYARD_KERNELS_SIGMOID_GATE_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// All but `logits` of one dtype, fp32 or bf16; arithmetic in fp32, y rounded
// once.
struct SigmoidGateArgs {
  ConstTensorView x;       // [tokens, in]
  ConstTensorView weight;  // [1, in]
  ConstTensorView value;   // [tokens, width]
  TensorView logits;       // fp32 [tokens], for the backward pass
  TensorView y;            // [tokens, width]
};
void SigmoidGate(Stream& stream, const SigmoidGateArgs& args);

// dvalue[t] = σ(l) · dy[t], dl = dot(dy[t], value[t]) · σ(l) · (1 - σ(l)),
// dx[t] += dl · weight. The weight's gradient is dlogitsᵀ · x
// (WeightGradient). dvalue may be the same memory as value.
struct SigmoidGateBackwardArgs {
  ConstTensorView dy;      // [tokens, width], fp32 or bf16
  ConstTensorView value;   // [tokens, width], dy's dtype
  ConstTensorView weight;  // [1, in], dy's dtype
  ConstTensorView logits;  // fp32 [tokens]
  TensorView dvalue;       // [tokens, width], dy's dtype
  TensorView dlogits;      // [tokens, 1], dy's dtype
  TensorView dx;           // [tokens, in], dy's dtype
};
// Fills dvalue and dlogits, and adds to dx.
void SigmoidGateBackward(Stream& stream, const SigmoidGateBackwardArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_SIGMOID_GATE_H_
