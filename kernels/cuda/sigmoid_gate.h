// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_SIGMOID_GATE_H_
#define SWITCHYARD_KERNELS_CUDA_SIGMOID_GATE_H_

#include "switchyard/kernels/sigmoid_gate.h"

namespace switchyard::kernels::cuda {

void SigmoidGate(Stream& stream, const SigmoidGateArgs& args);
void SigmoidGateBackward(Stream& stream, const SigmoidGateBackwardArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_SIGMOID_GATE_H_
