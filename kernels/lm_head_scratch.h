// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What LmHeadLoss takes from its arena for an implementation.
#ifndef SWITCHYARD_KERNELS_LM_HEAD_SCRATCH_H_
#define SWITCHYARD_KERNELS_LM_HEAD_SCRATCH_H_

#include "switchyard/base/tensor_view.h"

namespace switchyard::kernels {

struct LmHeadScratch {
  TensorView losses;   // fp64 [tokens]
  TensorView logits;   // fp32 [chunk, vocabulary]; then their gradients
  TensorView dlogits;  // bf16, likewise; only for bf16 operands
  TensorView leaf;     // fp32 [vocabulary, width]; only with an integer sum
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_LM_HEAD_SCRATCH_H_
