// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses that keep the experts' loads level. They see the statistics of all
// layers after the forward pass and give each router its gradient, so a loss
// may also pool layers.
#ifndef SWITCHYARD_RUNTIME_MOE_BALANCE_LOSS_H_
#define SWITCHYARD_RUNTIME_MOE_BALANCE_LOSS_H_

#include "absl/types/span.h"
#include "switchyard/runtime/moe/moe_layer.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

class BalanceLoss {
 public:
  virtual ~BalanceLoss() = default;
  // `decisions` are those of all layers with experts for one micro-batch; sets
  // their balance_gradient. `weight` is the micro-batch's share of the valid
  // tokens of the global batch; 0 in an evaluation. Writes the micro-batch's
  // losses without coefficient into `losses`, fp64 [layers, 2]: balance, z.
  virtual void Compute(const Execution& run,
                       absl::Span<MoeLayer::Decision* const> decisions,
                       const TokenBatch& batch, double weight,
                       const TensorView& losses) const = 0;
};

// Switch's loss of each layer by itself, over the micro-batch
// (kernels/balance_loss.h), with coefficient c a layer.
class SwitchBalanceLoss : public BalanceLoss {
 public:
  explicit SwitchBalanceLoss(double coefficient) : coefficient_(coefficient) {}
  void Compute(const Execution& run,
               absl::Span<MoeLayer::Decision* const> decisions,
               const TokenBatch& batch, double weight,
               const TensorView& losses) const override;

 private:
  double coefficient_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_BALANCE_LOSS_H_
