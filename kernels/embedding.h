// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Token embedding.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is an id that is no row of the table.
#ifndef SWITCHYARD_KERNELS_EMBEDDING_H_
#define SWITCHYARD_KERNELS_EMBEDDING_H_

#include "switchyard/base/arena.h"
#include "switchyard/base/stream.h"
#include "switchyard/kernels/fixed_point.h"

namespace switchyard::kernels {

// y[t] = table[ids[t]]. ids int32 [tokens], each in [0, table rows); table and
// y fp32 or bf16.
void Embedding(Stream& stream, const ConstTensorView& table,
               const ConstTensorView& ids, const TensorView& y);

// The leaf holds only the ids that occur: their rows of dy summed in fp32 in
// token order, then rounded and added to `gradient` (docs/numerics.md, "Sums
// across micro-batches have no order"). On a CUDA device the arena is not used,
// but 9 bytes a token of the device's pool.
struct EmbeddingGradientArgs {
  ConstTensorView dy;   // [tokens, width], fp32 or bf16
  ConstTensorView ids;  // int32 [tokens]
  FixedPoint format;
  GradientSum gradient;  // [table rows, width]
};
void EmbeddingGradient(Stream& stream, Arena& arena,
                       const EmbeddingGradientArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_EMBEDDING_H_
