// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_SURVIVOR_GATES_H_
#define SWITCHYARD_KERNELS_CPU_SURVIVOR_GATES_H_

#include "switchyard/kernels/survivor_gates.h"

namespace switchyard::kernels::cpu {

void SurvivorGates(const SurvivorGatesArgs& args, int threads);
void SurvivorGatesBackward(const SurvivorGatesBackwardArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_SURVIVOR_GATES_H_
