// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_EMBEDDING_H_
#define SWITCHYARD_KERNELS_CPU_EMBEDDING_H_

#include "switchyard/kernels/embedding.h"

namespace switchyard::kernels::cpu {

void Embedding(const ConstTensorView& table, const ConstTensorView& ids,
               const TensorView& y, int threads);

// Scratch: `starts` int32 [table rows + 1], `order` int32 [tokens].
void EmbeddingGradient(const EmbeddingGradientArgs& args,
                       const TensorView& starts, const TensorView& order,
                       int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_EMBEDDING_H_
