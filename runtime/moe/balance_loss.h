// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses that keep the experts' loads level. They see the statistics of all
// layers after the forward pass and give each router its gradient, so a loss
// may also pool layers.
//
// A layer's loss is E · sum_e F_e P_e (kernels/balance_loss.h): F_e the share
// of expert e in the assignments that are counted, before dropping, P_e its
// mean probability over the valid tokens. F has no gradient. What F counts:
//
//   switch      all k choices of the layer (2101.03961): 1 at perfect balance;
//               with all first choices and all probability on one expert, E/k
//   gshard      first choices only (2006.16668): 1; then E
//   hf_mixtral  all k choices of all layers: Hugging Face's
//               load_balancing_loss_func, k/L · sum over layers of that, which
//               pools layers before the product: k; then E
//
// and over what F and P are taken:
//
//   micro_batch  both over the micro-batch
//   sequence     both over each sequence; a mean over sequences, weighted by
//                their valid tokens (DeepSeek-V3, 2412.19437, eq. 17 to 20)
//   window       F over G consecutive micro-batches by index, P over the
//   global       micro-batch: weighted by their valid tokens these losses add
//                to exactly that of the window as one batch, gradient included,
//                since F has none ("global-batch" loss, 2501.11873); all of the
//                batch's micro-batches
//
// DeepSeek-V2's losses over device groups take the same counts.
//
// The coefficient c is what a layer adds to the objective at perfect balance:
// hf_mixtral's own is c · L / k.
#ifndef SWITCHYARD_RUNTIME_MOE_BALANCE_LOSS_H_
#define SWITCHYARD_RUNTIME_MOE_BALANCE_LOSS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "switchyard/runtime/moe/balance_options.h"
#include "switchyard/runtime/moe/moe_layer.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

class BalanceLoss {
 public:
  virtual ~BalanceLoss() = default;

  // Micro-batches whose counts it wants added, over all ranks, before Compute;
  // 0: it needs none but the micro-batch's own. They are consecutive by index,
  // and so many divide those of a step.
  virtual int64_t counted_together() const { return 0; }
  // Columns of Count's `counts`.
  virtual int64_t count_columns(const ModelConfig&) const { return 0; }
  // Adds those of one micro-batch to `counts`, int64 [layers, columns].
  virtual void Count(const Execution&, absl::Span<MoeLayer::Decision* const>,
                     const TokenBatch&, const TensorView& /*counts*/) const {}

  // `decisions` are those of all layers with experts for one micro-batch; sets
  // their balance_gradient. Their window_counts are the layer's row of what
  // Count added. `weight` is the micro-batch's share of the valid tokens of the
  // global batch; 0 in an evaluation. Writes the micro-batch's losses without
  // coefficient into `losses`, fp64 [layers, 2]: balance, z.
  virtual void Compute(const Execution& run,
                       absl::Span<MoeLayer::Decision* const> decisions,
                       const TokenBatch& batch, double weight,
                       const TensorView& losses) const = 0;
};

struct BalanceLossSettings {
  BalanceLossKind kind = BalanceLossKind::kSwitch;
  double coefficient = 0.0;      // c
  int64_t sequence_length = 0;   // of a sequence's own statistics; 0: without
  int64_t counted_together = 0;  // micro-batches; 0: each by itself
  // Of DeepSeek-V2's losses over the experts' device groups
  // (kernels/balance_loss.h), each 1 at perfect balance.
  double device_coefficient = 0.0;
  double communication_coefficient = 0.0;
  int64_t devices = 0;            // 0: without them
  int64_t devices_per_token = 0;  // M
};

// The losses above.
class ExpertBalanceLoss : public BalanceLoss {
 public:
  explicit ExpertBalanceLoss(const BalanceLossSettings& settings)
      : settings_(settings) {}
  int64_t counted_together() const override {
    return settings_.counted_together;
  }
  int64_t count_columns(const ModelConfig& model) const override;
  void Count(const Execution& run,
             absl::Span<MoeLayer::Decision* const> decisions,
             const TokenBatch& batch, const TensorView& counts) const override;
  void Compute(const Execution& run,
               absl::Span<MoeLayer::Decision* const> decisions,
               const TokenBatch& batch, double weight,
               const TensorView& losses) const override;

 private:
  int64_t Sequences(const TokenBatch& batch) const;
  // Adds the choices of all layers to `counts`, int64
  // [layers · sequences, columns].
  void AddCounts(const Execution& run,
                 absl::Span<MoeLayer::Decision* const> decisions,
                 const TokenBatch& batch, int64_t sequences,
                 const TensorView& counts) const;

  const BalanceLossSettings settings_;
};

// Switch's loss of each layer by itself, over the micro-batch, with coefficient
// c a layer.
class SwitchBalanceLoss : public ExpertBalanceLoss {
 public:
  explicit SwitchBalanceLoss(double coefficient)
      : ExpertBalanceLoss({BalanceLossKind::kSwitch, coefficient}) {}
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_BALANCE_LOSS_H_
