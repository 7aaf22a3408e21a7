// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_LM_HEAD_H_
#define SWITCHYARD_KERNELS_CPU_LM_HEAD_H_

#include "switchyard/kernels/lm_head.h"

namespace switchyard::kernels::cpu {

struct LmHeadScratch {
  TensorView losses;   // fp64 [tokens]
  TensorView logits;   // fp32 [chunk, vocabulary]; then their gradients
  TensorView dlogits;  // bf16, likewise; only for bf16 operands
  TensorView leaf;     // fp32 [vocabulary, width]; only with a gradient
};

// Operands are checked; see ../lm_head.h.
void LmHeadLoss(const LmHeadLossArgs& args, const LmHeadScratch& scratch,
                int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_LM_HEAD_H_
