// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_CACHED_ATTENTION_H_
#define SWITCHYARD_KERNELS_CPU_CACHED_ATTENTION_H_

#include <cstdint>

#include "switchyard/kernels/cached_attention.h"

namespace switchyard::kernels::cpu {

// Floats that it needs at `scratch`; bounded, whatever the number of rows.
int64_t CachedAttentionScratch(const CachedAttentionArgs& args);
void CachedAttention(const CachedAttentionArgs& args, float* scratch,
                     int threads);
void AppendToCache(const AppendToCacheArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_CACHED_ATTENTION_H_
