// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of bf16 by tensor cores.
#ifndef SWITCHYARD_KERNELS_CUDA_ATTENTION_MMA_H_
#define SWITCHYARD_KERNELS_CUDA_ATTENTION_MMA_H_

#include <cuda_runtime.h>

#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/kernels/attention.h"

namespace switchyard::kernels::cuda {

inline bool TakesTensorCores(const ConstTensorView& q) {
  const int64_t head_dim = q.dim(2);
  return q.dtype() == DType::kBFloat16 &&
         (head_dim == 32 || head_dim == 64 || head_dim == 128);
}

// There are rows.
void MmaAttention(CudaStream& stream, const AttentionArgs& args);
// `statistics` as in attention_shape.cuh.
void MmaAttentionBackward(CudaStream& stream, const AttentionBackwardArgs& args,
                          const float2* statistics);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ATTENTION_MMA_H_
