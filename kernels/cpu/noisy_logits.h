// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_NOISY_LOGITS_H_
#define SWITCHYARD_KERNELS_CPU_NOISY_LOGITS_H_

#include "switchyard/kernels/noisy_logits.h"

namespace switchyard::kernels::cpu {

// Operands are checked.
void NoisyLogits(const NoisyLogitsArgs& args, int threads);
void NoisyLogitsBackward(const NoisyLogitsBackwardArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_NOISY_LOGITS_H_
