// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Language-model head and cross-entropy in one: logits = x · weightᵀ,
// loss_t = logsumexp(logits_t) - logits_t[label_t]. Logits exist for a constant
// chunk of tokens at a time (kLmHeadChunk), in fp32: the gradient follows while
// they are there (as in Liger Kernel, Hsu et al., 2410.10989):
//
//   dlogits_t = loss_scale · (softmax(logits_t) - one at label_t), 0 if ignored
//   dx = dlogits · weight           dweight = dlogitsᵀ · x
//
// With bf16 operands dlogits is rounded to bf16 before these two products.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is a label outside the vocabulary that is not kIgnoredLabel.
#ifndef SWITCHYARD_KERNELS_LM_HEAD_H_
#define SWITCHYARD_KERNELS_LM_HEAD_H_

#include "switchyard/base/arena.h"
#include "switchyard/base/stream.h"
#include "switchyard/kernels/fixed_point.h"

namespace switchyard::kernels {

inline constexpr int64_t kLmHeadChunk = 256;  // tokens; part of the numerics
inline constexpr int32_t kIgnoredLabel = -100;

struct LmHeadLossArgs {
  ConstTensorView x;       // [tokens, width], fp32 or bf16
  ConstTensorView weight;  // [vocabulary, width], x's dtype
  ConstTensorView labels;  // int32 [tokens]; kIgnoredLabel: no loss
  TensorView loss_sum;     // fp64 [1]: sum of token losses, in token order
  // For training: with each of these given, its gradient of
  // loss_scale · loss_sum is computed too.
  float loss_scale = 0.0f;  // 1 / valid labels of the global batch
  TensorView dx;            // optional, as x
  GradientSum gradient;     // optional (sum undefined: none), weight's shape.
                            // One leaf: chunks add in order in fp32, then round
  FixedPoint format;
};
void LmHeadLoss(Stream& stream, Arena& arena, const LmHeadLossArgs& args);

// Makes the primitives of all products that LmHeadLoss will ask for, so that a
// step makes none (see matmul.h). `width` and `vocabulary` are the weight's.
void PrepareLmHead(DType dtype, int64_t tokens, int64_t width,
                   int64_t vocabulary);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_LM_HEAD_H_
