// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_SIGMOID_GATE_H_
#define SWITCHYARD_KERNELS_CPU_SIGMOID_GATE_H_

#include "switchyard/kernels/sigmoid_gate.h"

namespace switchyard::kernels::cpu {

// Operands are checked.
void SigmoidGate(const SigmoidGateArgs& args, int threads);
void SigmoidGateBackward(const SigmoidGateBackwardArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_SIGMOID_GATE_H_
