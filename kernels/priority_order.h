// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which tokens come first where experts are short of room: batch-prioritised
// routing (V-MoE 2106.05974, section 4.2). Tokens are sorted by the probability
// of their first choice, the highest first; ties go to the lower token. Tokens
// without a first choice and probabilities that are NaN come last.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_PRIORITY_ORDER_H_
#define SWITCHYARD_KERNELS_PRIORITY_ORDER_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct PriorityOrderArgs {
  ConstTensorView probabilities;  // fp32 [tokens, experts]
  ConstTensorView experts;        // int32 [tokens, k], first choices first
  int64_t scope_tokens = 0;       // sorted for themselves; 0: all
  TensorView order;               // int32 [tokens], for Positions
};
void PriorityOrder(Stream& stream, const PriorityOrderArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_PRIORITY_ORDER_H_
