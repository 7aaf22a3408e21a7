// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_LM_HEAD_H_
#define SWITCHYARD_KERNELS_CPU_LM_HEAD_H_

#include "switchyard/kernels/lm_head.h"
#include "switchyard/kernels/lm_head_scratch.h"

namespace switchyard::kernels::cpu {

// Operands are checked; see ../lm_head.h.
void LmHeadLoss(const LmHeadLossArgs& args, const LmHeadScratch& scratch,
                int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_LM_HEAD_H_
