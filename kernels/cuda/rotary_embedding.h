// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_ROTARY_EMBEDDING_H_
#define SWITCHYARD_KERNELS_CUDA_ROTARY_EMBEDDING_H_

#include "switchyard/kernels/rotary_embedding.h"

namespace switchyard::kernels::cuda {

void RotaryTable(Stream& stream, double theta, const TensorView& cos,
                 const TensorView& sin);
void Rotate(Stream& stream, const RotaryArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROTARY_EMBEDDING_H_
