// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Jitter of a router's input (Switch, 2101.03961: "input jitter"): a
// factor uniform on [1 - eps, 1 + eps] for each element. It is a function of
// the key, the token and the element, so the backward pass multiplies the
// input's gradient by the same factors, and no layout changes them.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_ROUTER_JITTER_H_
#define SWITCHYARD_KERNELS_ROUTER_JITTER_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// y[t, c] = x[t, c] · ((1 - eps) + 2 · eps · u), in fp32. With T = first_token
// + t, w the word c % 4 of Philox with the key and the counter (c / 4, T mod
// 2^32, T / 2^32, 0x6a697474): u = (floor(w / 2^9) + 1/2) · 2^-23, whose mean
// is 1/2.
struct RouterJitterArgs {
  ConstTensorView x;  // fp32 [tokens, width]
  TensorView y;       // fp32 [tokens, width]; may be x
  double eps = 0.0;   // in [0, 1)
  uint64_t key = 0;
  int64_t first_token = 0;
};
void RouterJitter(Stream& stream, const RouterJitterArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ROUTER_JITTER_H_
