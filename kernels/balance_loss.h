// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Switch's load-balancing loss (2101.03961, eq. 4 to 6) and ST-MoE's router
// z-loss (2202.08906, eq. 5) of one layer and micro-batch, over valid tokens:
//
//   f_e = assignments to e before dropping / all assignments
//   P_e = mean over tokens of p_e (RouterArgs::probabilities, router.h)
//   balance = E · sum_e f_e P_e        (1 at perfect balance)
//   z = mean over tokens of logsumexp²
//
// A token makes k assignments, less those that are kNoExpert (no_expert.h). A
// mean over no tokens is 0, and so is the loss without an assignment. Sums are
// made in double, in token order within fixed chunks.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is an expert that does not exist.
#ifndef SWITCHYARD_KERNELS_BALANCE_LOSS_H_
#define SWITCHYARD_KERNELS_BALANCE_LOSS_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct BalanceLossArgs {
  ConstTensorView probabilities;  // fp32 [tokens, experts]
  ConstTensorView logsumexp;      // fp32 [tokens]
  ConstTensorView experts;        // int32 [tokens, k]
  ConstTensorView valid;          // uint8 [tokens]
  // d(objective)/d(balance): coefficient times this micro-batch's weight.
  double balance_weight = 0.0;
  TensorView losses;  // fp64 [2]: balance, z (both without coefficient)
  // fp32 [experts]: balance_weight · E · f_e / tokens, for RouterBackward.
  TensorView balance_gradient;
};
void BalanceLoss(Stream& stream, const BalanceLossArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_BALANCE_LOSS_H_
