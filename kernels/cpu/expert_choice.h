// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_EXPERT_CHOICE_H_
#define SWITCHYARD_KERNELS_CPU_EXPERT_CHOICE_H_

#include "switchyard/kernels/expert_choice.h"

namespace switchyard::kernels::cpu {

// Operands are checked.
void ExpertChoice(const ExpertChoiceArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_EXPERT_CHOICE_H_
