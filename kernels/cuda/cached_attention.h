// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_CACHED_ATTENTION_H_
#define SWITCHYARD_KERNELS_CUDA_CACHED_ATTENTION_H_

#include "switchyard/kernels/cached_attention.h"

namespace switchyard::kernels::cuda {

// head_dim up to 256. In fp32, as on the CPU.
void CachedAttention(Stream& stream, const CachedAttentionArgs& args);
void AppendToCache(Stream& stream, const AppendToCacheArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CACHED_ATTENTION_H_
