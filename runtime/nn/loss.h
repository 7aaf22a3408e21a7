// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What is minimised: from the hidden states of a micro-batch to a sum of token
// losses and its gradients. The trainer divides by the labels that count in the
// global batch (docs/numerics.md, "What is summed").
#ifndef SWITCHYARD_RUNTIME_NN_LOSS_H_
#define SWITCHYARD_RUNTIME_NN_LOSS_H_

#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/transformer.h"

namespace switchyard {

class Loss {
 public:
  virtual ~Loss() = default;
  // Writes the sum over labelled tokens into `loss_sum`, fp64 [1]. `hidden` is
  // Transformer::Saved::hidden().
  virtual void Evaluate(const Execution& run, const TokenBatch& batch,
                        const ConstTensorView& hidden,
                        const TensorView& loss_sum) const = 0;
  // The same, and the gradients of scale · loss_sum: the hidden states' into
  // `dhidden`, of hidden's shape and dtype, the loss's own parameters' into
  // their sums.
  virtual void EvaluateWithGradient(const Execution& run,
                                    const TokenBatch& batch,
                                    const ConstTensorView& hidden, float scale,
                                    const TensorView& loss_sum,
                                    const TensorView& dhidden) const = 0;
};

// Cross-entropy of the next token through the model's head.
class NextTokenLoss : public Loss {
 public:
  explicit NextTokenLoss(const Parameter& head) : head_(head) {}
  void Evaluate(const Execution& run, const TokenBatch& batch,
                const ConstTensorView& hidden,
                const TensorView& loss_sum) const override;
  void EvaluateWithGradient(const Execution& run, const TokenBatch& batch,
                            const ConstTensorView& hidden, float scale,
                            const TensorView& loss_sum,
                            const TensorView& dhidden) const override;

 private:
  const Parameter& head_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_LOSS_H_
