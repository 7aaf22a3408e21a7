// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_H_

#include <cstdint>

#include "switchyard/kernels/attention.h"

namespace switchyard::kernels::cpu {

// Floats that each needs at `scratch`.
int64_t AttentionScratch(const AttentionArgs& args);
void Attention(const AttentionArgs& args, float* scratch, int threads);

int64_t AttentionBackwardScratch(const AttentionBackwardArgs& args);
void AttentionBackward(const AttentionBackwardArgs& args, float* scratch,
                       int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_H_
