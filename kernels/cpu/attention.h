// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_H_

#include <cstdint>

#include "switchyard/kernels/attention.h"

namespace switchyard::kernels::cpu {

void Attention(const AttentionArgs& args, int threads);

// Floats that AttentionBackward needs at `scratch`.
int64_t AttentionBackwardScratch(const AttentionBackwardArgs& args);
void AttentionBackward(const AttentionBackwardArgs& args, float* scratch,
                       int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_H_
