// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_NOISY_LOGITS_H_
#define SWITCHYARD_KERNELS_CUDA_NOISY_LOGITS_H_

#include "switchyard/kernels/noisy_logits.h"

namespace switchyard::kernels::cuda {

void NoisyLogits(Stream& stream, const NoisyLogitsArgs& args);
void NoisyLogitsBackward(Stream& stream, const NoisyLogitsBackwardArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_NOISY_LOGITS_H_
