// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/loss.h"

#include "switchyard/kernels/lm_head.h"

namespace switchyard {

void NextTokenLoss::Evaluate(const Execution& run, const TokenBatch& batch,
                             const ConstTensorView& hidden,
                             const TensorView& loss_sum) const {
  kernels::LmHeadLossArgs args;
  args.x = hidden;
  args.weight = head_.weight;
  args.labels = batch.labels;
  args.loss_sum = loss_sum;
  kernels::LmHeadLoss(run.stream, run.arena, args);
}

void NextTokenLoss::EvaluateWithGradient(const Execution& run,
                                         const TokenBatch& batch,
                                         const ConstTensorView& hidden,
                                         float scale,
                                         const TensorView& loss_sum,
                                         const TensorView& dhidden) const {
  kernels::LmHeadLossArgs args;
  args.x = hidden;
  args.weight = head_.weight;
  args.labels = batch.labels;
  args.loss_sum = loss_sum;
  args.loss_scale = scale;
  args.dx = dhidden;
  args.gradient = head_.gradient;
  args.format = run.format;
  kernels::LmHeadLoss(run.stream, run.arena, args);
}

}  // namespace switchyard
