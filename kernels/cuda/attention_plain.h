// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention in fp32, of fp32 or bf16 and any head_dim up to a limit.
#ifndef SWITCHYARD_KERNELS_CUDA_ATTENTION_PLAIN_H_
#define SWITCHYARD_KERNELS_CUDA_ATTENTION_PLAIN_H_

#include <cuda_runtime.h>

#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/kernels/attention.h"

namespace switchyard::kernels::cuda {

inline constexpr int64_t kMaxHeadDim = 256;

// There are rows.
void PlainAttention(CudaStream& stream, const AttentionArgs& args);
// `statistics` as in attention_shape.cuh.
void PlainAttentionBackward(CudaStream& stream,
                            const AttentionBackwardArgs& args,
                            const float2* statistics);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ATTENTION_PLAIN_H_
