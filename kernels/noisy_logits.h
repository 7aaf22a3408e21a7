// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Noise of learned size on a router's logits (Shazeer et al., 1701.06538, eq.
// 4). With w = x · W_noiseᵀ, made by the caller, and n standard normal numbers:
//
//   h = logits + n · softplus(w),  softplus(w) = ln(1 + e^w)
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_NOISY_LOGITS_H_
#define SWITCHYARD_KERNELS_NOISY_LOGITS_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// All fp32 [tokens, experts].
struct NoisyLogitsArgs {
  ConstTensorView noise;  // n
  ConstTensorView width;  // w
  TensorView logits;      // becomes h
  // dh / dw = n · σ(w), for the backward pass; may be the memory of noise or
  // width.
  TensorView slope;
};
void NoisyLogits(Stream& stream, const NoisyLogitsArgs& args);

// dwidth = slope · dh; dlogits is dh itself.
struct NoisyLogitsBackwardArgs {
  ConstTensorView slope;
  ConstTensorView dh;
  TensorView dwidth;  // may be the memory of an operand
};
void NoisyLogitsBackward(Stream& stream, const NoisyLogitsBackwardArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_NOISY_LOGITS_H_
