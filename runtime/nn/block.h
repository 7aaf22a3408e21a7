// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One transformer block: s = x + Attention(Norm(x)); y = s + MoE(Norm(s)), or
// y = s + FFN(Norm(s)) in a layer without experts (HasExperts).
// Sums are left to the norm that reads them (Residual, norm.h).
#ifndef SWITCHYARD_RUNTIME_NN_BLOCK_H_
#define SWITCHYARD_RUNTIME_NN_BLOCK_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/runtime/moe/moe_layer.h"
#include "switchyard/runtime/nn/attention.h"
#include "switchyard/runtime/nn/feed_forward.h"
#include "switchyard/runtime/nn/norm.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

class Block {
 public:
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      int layer, const RouterFactory& routers);
  // `recompute`: activations are dropped after the forward pass and made again
  // in the backward pass, with the same bits.
  Block(const ParameterStore& store, const Grid& grid,
        const ModelConfig& config, const MoeOptions& moe, bool recompute,
        int layer);

  struct Activations {
    Norm::Saved attention_norm;
    Attention::Saved attention;
    Norm::Saved moe_norm;
    MoeLayer::Saved moe;              // of a block with experts
    FeedForward::Saved feed_forward;  // of one without
  };
  struct Saved {
    Residual input;
    Residual output;
    MoeLayer::Decision decision;  // of a block with experts
    Activations activations;      // empty under recomputation
  };

  // Collective calls of the expert-parallel group where there are experts.
  absl::Status Forward(const Execution& run, const RotaryTables& rotary,
                       const TokenBatch& batch, const Residual& input,
                       Saved& saved) const;
  // `gradient` is that of the output's sum; it becomes that of the input's sum.
  absl::Status Backward(const Execution& run, const RotaryTables& rotary,
                        const TokenBatch& batch, float z_gradient, Saved& saved,
                        const TensorView& gradient) const;

  // The least Parameter::index of the block.
  int first_parameter() const { return attention_norm_.parameter_index(); }
  // Router::selection_bias; undefined without experts.
  TensorView selection_bias() const {
    return has_experts() ? moe_->selection_bias() : TensorView();
  }

  bool has_experts() const { return moe_ != nullptr; }

 private:
  // The second half: of `input` into `delta`.
  absl::Status ComputeFeedForward(const Execution& run, const TokenBatch& batch,
                                  bool decide, const ConstTensorView& input,
                                  const TensorView& delta, Saved& saved) const;
  // The gradient of that input.
  absl::StatusOr<TensorView> FeedForwardBackward(
      const Execution& run, const TokenBatch& batch, float z_gradient,
      const Saved& saved, const ConstTensorView& gradient) const;
  // `sum` and `delta`: where the output goes. Decides only if told to.
  absl::Status Compute(const Execution& run, const RotaryTables& rotary,
                       const TokenBatch& batch, bool decide,
                       const TensorView& sum, const TensorView& delta,
                       Saved& saved) const;

  int layer_;
  Norm attention_norm_;
  Attention attention_;
  Norm moe_norm_;
  std::unique_ptr<MoeLayer> moe_;              // one of the two
  std::unique_ptr<FeedForward> feed_forward_;  // is null
  bool recompute_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_BLOCK_H_
