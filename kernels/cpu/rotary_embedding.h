// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ROTARY_EMBEDDING_H_
#define SWITCHYARD_KERNELS_CPU_ROTARY_EMBEDDING_H_

#include "switchyard/kernels/rotary_embedding.h"

namespace switchyard::kernels::cpu {

// Of the pairs [0, half): theta^(-j/half), fp32 at each step.
void RotaryFrequencies(double theta, int64_t half, float* frequencies);

void RotaryTable(double theta, const TensorView& cos, const TensorView& sin,
                 int threads);
void Rotate(const RotaryArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROTARY_EMBEDDING_H_
