// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A loss of this trainer's own, made from one of the library's operators: the
// cross-entropy of the next token through the head, without all logits at once.
#ifndef CUSTOM_TRAINER_CROSS_ENTROPY_H_
#define CUSTOM_TRAINER_CROSS_ENTROPY_H_

#include "switchyard/kernels/lm_head.h"
#include "switchyard/runtime/nn/loss.h"

namespace custom_trainer {

class CrossEntropy : public switchyard::Loss {
 public:
  explicit CrossEntropy(const switchyard::Parameter& head) : head_(head) {}

  void Evaluate(const switchyard::Execution& run,
                const switchyard::TokenBatch& batch,
                const switchyard::ConstTensorView& hidden,
                const switchyard::TensorView& loss_sum) const override;
  void EvaluateWithGradient(
      const switchyard::Execution& run, const switchyard::TokenBatch& batch,
      const switchyard::ConstTensorView& hidden, float scale,
      const switchyard::TensorView& loss_sum,
      const switchyard::TensorView& dhidden) const override;

 private:
  switchyard::kernels::LmHeadLossArgs Arguments(
      const switchyard::TokenBatch& batch,
      const switchyard::ConstTensorView& hidden,
      const switchyard::TensorView& loss_sum) const;

  const switchyard::Parameter& head_;  // [vocabulary, hidden]
};

}  // namespace custom_trainer

#endif  // CUSTOM_TRAINER_CROSS_ENTROPY_H_
