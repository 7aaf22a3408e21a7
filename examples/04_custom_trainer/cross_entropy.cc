// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "cross_entropy.h"

namespace custom_trainer {

using switchyard::ConstTensorView;
using switchyard::Execution;
using switchyard::TensorView;
using switchyard::TokenBatch;
using switchyard::kernels::LmHeadLoss;
using switchyard::kernels::LmHeadLossArgs;

LmHeadLossArgs CrossEntropy::Arguments(const TokenBatch& batch,
                                       const ConstTensorView& hidden,
                                       const TensorView& loss_sum) const {
  LmHeadLossArgs args;
  args.x = hidden;
  args.weight = head_.weight;
  args.labels = batch.labels;
  args.loss_sum = loss_sum;
  return args;
}

void CrossEntropy::Evaluate(const Execution& run, const TokenBatch& batch,
                            const ConstTensorView& hidden,
                            const TensorView& loss_sum) const {
  LmHeadLoss(run.stream, run.arena, Arguments(batch, hidden, loss_sum));
}

void CrossEntropy::EvaluateWithGradient(const Execution& run,
                                        const TokenBatch& batch,
                                        const ConstTensorView& hidden,
                                        float scale, const TensorView& loss_sum,
                                        const TensorView& dhidden) const {
  LmHeadLossArgs args = Arguments(batch, hidden, loss_sum);
  args.loss_scale = scale;
  args.dx = dhidden;
  args.gradient = head_.gradient;
  args.format = run.format;
  LmHeadLoss(run.stream, run.arena, args);
}

}  // namespace custom_trainer
