// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The router in fp32: softmax over all experts, top-k, renormalised gates
// (Switch 2101.03961, Mixtral 2401.04088). Products with the router's weight
// are made by the caller (MatMul in fp32).
//
//   p = softmax(logits);  chosen = the k largest p, ties to the lower expert;
//   gate_j = p_chosen_j, divided by their sum if `renormalize` (k >= 2).
// A row of NaN still gives k distinct experts.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is a replayed expert that does not exist, or one in the backward pass.
#ifndef SWITCHYARD_KERNELS_ROUTER_H_
#define SWITCHYARD_KERNELS_ROUTER_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct RouterArgs {
  ConstTensorView logits;  // fp32 [tokens, experts]
  bool renormalize = true;
  TensorView probabilities;  // fp32 [tokens, experts]
  TensorView logsumexp;      // fp32 [tokens]
  TensorView experts;        // int32 [tokens, k], best first
  TensorView gates;          // fp32 [tokens, k]
  // int32 [tokens, k], optional: chosen instead of the largest, distinct ones.
  ConstTensorView replayed = {};
};
void Router(Stream& stream, const RouterArgs& args);

// dlogits from the gates' gradients, the balance loss and the z-loss:
//   dp = d(gates)/dp · dgates + balance_gradient[e] (valid tokens only)
//   dlogits = p · (dp - sum_e p dp) + z_gradient · 2 · logsumexp · p
// (the z term for valid tokens only).
struct RouterBackwardArgs {
  ConstTensorView probabilities;     // fp32 [tokens, experts]
  ConstTensorView logsumexp;         // fp32 [tokens]
  ConstTensorView experts;           // int32 [tokens, k]
  ConstTensorView gates;             // fp32 [tokens, k]
  ConstTensorView dgates;            // fp32 [tokens, k]
  ConstTensorView valid;             // uint8 [tokens]: 1 counts, 0 is padding
  ConstTensorView balance_gradient;  // fp32 [experts], optional
  float z_gradient = 0.0f;
  bool renormalize = true;
  TensorView dlogits;  // fp32 [tokens, experts]
};
void RouterBackward(Stream& stream, const RouterBackwardArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ROUTER_H_
