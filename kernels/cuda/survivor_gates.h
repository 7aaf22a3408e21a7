// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_SURVIVOR_GATES_H_
#define SWITCHYARD_KERNELS_CUDA_SURVIVOR_GATES_H_

#include "switchyard/kernels/survivor_gates.h"

namespace switchyard::kernels::cuda {

void SurvivorGates(Stream& stream, const SurvivorGatesArgs& args);
void SurvivorGatesBackward(Stream& stream,
                           const SurvivorGatesBackwardArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_SURVIVOR_GATES_H_
