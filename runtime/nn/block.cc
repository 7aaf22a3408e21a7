// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/block.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/moe/deferred_gradients.h"

namespace switchyard {
namespace {

std::string Prefix(int layer) { return absl::StrCat("model.layers.", layer); }
std::string AttentionNorm(int layer) {
  return Prefix(layer) + ".input_layernorm.weight";
}
std::string MoeNorm(int layer) {
  return Prefix(layer) + ".post_attention_layernorm.weight";
}
std::string DensePrefix(int layer) { return Prefix(layer) + ".mlp"; }

}  // namespace

void Block::Declare(ParameterStore& store, const ModelConfig& config, int layer,
                    const RouterFactory& routers) {
  Norm::Declare(store, AttentionNorm(layer), config.hidden_size);
  Attention::Declare(store, config, Prefix(layer));
  Norm::Declare(store, MoeNorm(layer), config.hidden_size);
  if (HasExperts(config, layer)) {
    MoeLayer::Declare(store, config, Prefix(layer), routers);
  } else {
    FeedForward::Declare(store, config, DenseWidth(config), DensePrefix(layer));
  }
}

Block::Block(const ParameterStore& store, const Grid& grid,
             const ModelConfig& config, const MoeOptions& moe, bool recompute,
             int layer)
    : layer_(layer),
      attention_norm_(store, AttentionNorm(layer), config.rms_norm_eps),
      attention_(store, config, Prefix(layer)),
      moe_norm_(store, MoeNorm(layer), config.rms_norm_eps),
      recompute_(recompute) {
  if (HasExperts(config, layer)) {
    moe_ = std::make_unique<MoeLayer>(store, grid, config, moe, layer,
                                      Prefix(layer));
  } else {
    feed_forward_ = std::make_unique<FeedForward>(
        store, config, DenseWidth(config), DensePrefix(layer));
  }
}

absl::Status Block::ComputeFeedForward(const Execution& run,
                                       const TokenBatch& batch, bool decide,
                                       const ConstTensorView& input,
                                       const TensorView& delta,
                                       Saved& saved) const {
  Activations& now = saved.activations;
  if (!has_experts()) {
    run.At(layer_, "feed-forward");
    now.feed_forward = feed_forward_->Forward(run, input, delta);
    return absl::OkStatus();
  }
  run.At(layer_, "experts");
  if (decide) {
    SWITCHYARD_ASSIGN_OR_RETURN(saved.decision,
                                moe_->Decide(run, input, batch));
  }
  SWITCHYARD_ASSIGN_OR_RETURN(now.moe,
                              moe_->Forward(run, saved.decision, input, delta));
  return absl::OkStatus();
}

absl::StatusOr<TensorView> Block::FeedForwardBackward(
    const Execution& run, const TokenBatch& batch, float z_gradient,
    const Saved& saved, const ConstTensorView& gradient) const {
  const Activations& then = saved.activations;
  if (has_experts()) {
    run.At(layer_, "experts backward");
    return moe_->Backward(run, saved.decision, then.moe, batch, z_gradient,
                          gradient);
  }
  run.At(layer_, "feed-forward backward");
  const TensorView dinput = run.New(gradient.dtype(), gradient.shape());
  feed_forward_->Backward(run, then.feed_forward, gradient, dinput);
  return dinput;
}

absl::Status Block::Compute(const Execution& run, const RotaryTables& rotary,
                            const TokenBatch& batch, bool decide,
                            const TensorView& sum, const TensorView& delta,
                            Saved& saved) const {
  Activations& now = saved.activations;
  run.At(layer_, "attention");
  now.attention_norm = attention_norm_.Forward(run, saved.input);
  const TensorView attended = run.New(sum.dtype(), sum.shape());
  const ConstTensorView& input = now.attention_norm.output;
  if (batch.cache != nullptr) {
    attention_.ForwardCached(run, rotary, batch.cache->layer(layer_), input,
                             attended);
  } else {
    now.attention = attention_.Forward(run, rotary, input, attended);
  }
  now.moe_norm =
      moe_norm_.Forward(run, {now.attention_norm.sum, attended}, sum);
  return ComputeFeedForward(run, batch, decide, now.moe_norm.output, delta,
                            saved);
}

absl::Status Block::Forward(const Execution& run, const RotaryTables& rotary,
                            const TokenBatch& batch, const Residual& input,
                            Saved& saved) const {
  saved.input = input;
  const TensorView sum = run.New(input.base.dtype(), input.base.shape());
  const TensorView delta = run.New(input.base.dtype(), input.base.shape());
  saved.output = {sum, delta};
  std::optional<ArenaScope> dropped;
  if (recompute_) dropped.emplace(run.arena);
  SWITCHYARD_RETURN_IF_ERROR(
      Compute(run, rotary, batch, /*decide=*/true, sum, delta, saved));
  if (recompute_) saved.activations = Activations();
  return absl::OkStatus();
}

absl::Status Block::Backward(const Execution& run, const RotaryTables& rotary,
                             const TokenBatch& batch, float z_gradient,
                             Saved& saved, const TensorView& gradient) const {
  ArenaScope scratch(run.arena);
  if (recompute_) {
    // The output is made again too, elsewhere: the block above still needs
    // nothing of it, but its memory may not be written by two owners.
    const Shape& shape = saved.output.base.shape();
    const DType dtype = saved.output.base.dtype();
    const TensorView sum = run.New(dtype, shape);
    const TensorView delta = run.New(dtype, shape);
    SWITCHYARD_RETURN_IF_ERROR(
        Compute(run, rotary, batch, /*decide=*/false, sum, delta, saved));
  }
  const Activations& then = saved.activations;
  SWITCHYARD_ASSIGN_OR_RETURN(
      const TensorView dmoe_input,
      FeedForwardBackward(run, batch, z_gradient, saved, gradient));
  moe_norm_.Backward(run, then.moe_norm, dmoe_input, gradient);
  run.At(layer_, "attention backward");
  const TensorView dattention_input =
      attention_.Backward(run, rotary, then.attention, gradient);
  attention_norm_.Backward(run, then.attention_norm, dattention_input,
                           gradient);
  // What was made again goes now, and nothing may refer to it any more.
  if (recompute_ && run.deferred != nullptr) run.deferred->MakeAll(run.stream);
  return absl::OkStatus();
}

}  // namespace switchyard
