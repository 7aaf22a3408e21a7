// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_ATTENTION_H_
#define SWITCHYARD_KERNELS_CUDA_ATTENTION_H_

#include "switchyard/kernels/attention.h"

namespace switchyard::kernels::cuda {

// head_dim up to 256. Where it is 32, 64 or 128, bf16 is multiplied by tensor
// cores: then the weights p, and ds in the backward pass, are rounded to bf16
// before they are multiplied. Everything else is as on the CPU, in fp32.
void Attention(Stream& stream, const AttentionArgs& args);

// Its scratch is two floats for each row and query head, from the device's
// pool.
void AttentionBackward(Stream& stream, const AttentionBackwardArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ATTENTION_H_
