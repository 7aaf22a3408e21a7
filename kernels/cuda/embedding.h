// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_EMBEDDING_H_
#define SWITCHYARD_KERNELS_CUDA_EMBEDDING_H_

#include "switchyard/kernels/embedding.h"

namespace switchyard::kernels::cuda {

void Embedding(Stream& stream, const ConstTensorView& table,
               const ConstTensorView& ids, const TensorView& y);
void EmbeddingGradient(Stream& stream, const EmbeddingGradientArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_EMBEDDING_H_
