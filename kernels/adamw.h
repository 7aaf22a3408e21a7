// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// AdamW (Loshchilov and Hutter, 1711.05101) on a range of elements:
//
//   g = gradient · 2^-fraction_bits · gradient_scale   (int64 gradient)
//   g = gradient · gradient_scale                      (fp32)
//   m = beta1·m + (1-beta1)·g;   v = beta2·v + (1-beta2)·g²
//   w = w - learning_rate·weight_decay·w
//         - step_size · m / (sqrt(v)·inverse_sqrt_correction2 + eps)
// with step_size = learning_rate / (1 - beta1^t) and inverse_sqrt_correction2 =
// 1 / sqrt(1 - beta2^t), computed by the caller in double. g of int64 is
// computed in double (the sum is rounded to 53 bits, then the product) and
// rounded to fp32, the same on every instruction set. The rest is fp32, fused
// operations written out, whole vectors only. Elements are independent of each
// other: a range may be cut anywhere.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_ADAMW_H_
#define SWITCHYARD_KERNELS_ADAMW_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct AdamWSettings {
  float learning_rate = 1e-3f;
  float beta1 = 0.9f;
  float beta2 = 0.95f;
  float eps = 1e-8f;
  float weight_decay = 0.0f;
  float step_size = 1e-3f;
  float inverse_sqrt_correction2 = 1.0f;
  float gradient_scale = 1.0f;  // from clipping
  int fraction_bits = 44;
};

struct AdamWArgs {
  ConstTensorView gradient;  // int64 [n]; on a CUDA device it may be fp32
  TensorView master;         // fp32 [n]
  TensorView m;              // fp32 [n]
  TensorView v;              // fp32 [n]
  TensorView weight;         // fp32 or bf16 [n]: master, rounded; may be the
                             // same memory as master
  AdamWSettings settings;
};
void AdamW(Stream& stream, const AdamWArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ADAMW_H_
