// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/feed_forward.h"

#include "switchyard/kernels/matmul.h"

namespace switchyard {
namespace {

std::string Gate(const std::string& prefix) {
  return prefix + ".gate_proj.weight";
}
std::string Up(const std::string& prefix) { return prefix + ".up_proj.weight"; }
std::string Down(const std::string& prefix) {
  return prefix + ".down_proj.weight";
}

}  // namespace

void FeedForward::Declare(ParameterStore& store, const ModelConfig& config,
                          int64_t width, const std::string& prefix) {
  const auto declare = [&](const std::string& name, const Shape& shape) {
    store.Declare(name, shape, ParameterStore::Kind::kMatrix,
                  config.initializer_range);
  };
  const int64_t hidden = config.hidden_size;
  // Up follows gate, so that both are one matrix of 2 · width rows.
  if (config.feed_forward.activation.gated) {
    declare(Gate(prefix), {width, hidden});
  }
  declare(Up(prefix), {width, hidden});
  declare(Down(prefix), {hidden, width});
}

FeedForward::FeedForward(const ParameterStore& store, const ModelConfig& config,
                         int64_t width, const std::string& prefix)
    : width_(width),
      activation_(config.feed_forward.activation),
      down_(store.Get(Down(prefix))) {
  const Parameter& up = store.Get(Up(prefix));
  if (activation_.gated) {
    const Parameter& gate = store.Get(Gate(prefix));
    inner_weight_ = Fused({&gate, &up});
    inner_gradients_.push_back(gate.gradient);
  } else {
    inner_weight_ = up.weight;
  }
  inner_gradients_.push_back(up.gradient);
}

void FeedForward::Prepare(DType dtype, int64_t tokens,
                          const ModelConfig& config, int64_t width) {
  const kernels::ActivationKind activation = config.feed_forward.activation;
  const int64_t hidden = config.hidden_size;
  kernels::PrepareDense(dtype, tokens, hidden, activation.InnerWidth(width));
  kernels::PrepareDense(dtype, tokens, width, hidden);
  // The gradients of gate and up are formed one by one.
  kernels::PrepareDense(dtype, tokens, hidden, width);
}

FeedForward::Saved FeedForward::Forward(const Execution& run,
                                        const ConstTensorView& input,
                                        const TensorView& output) const {
  const int64_t tokens = input.dim(0);
  const TensorView inner =
      run.New(input.dtype(), {tokens, activation_.InnerWidth(width_)});
  const TensorView act = run.New(input.dtype(), {tokens, width_});
  kernels::MatMul(run.stream, {.a = input,
                               .b = inner_weight_,
                               .transpose_b = kernels::Transpose::kYes,
                               .c = inner});
  kernels::Activate(run.stream, activation_, inner, act);
  run.Poll();
  kernels::MatMul(run.stream, {.a = act,
                               .b = down_.weight,
                               .transpose_b = kernels::Transpose::kYes,
                               .c = output});
  return {input, inner, act};
}

void FeedForward::Backward(const Execution& run, const Saved& saved,
                           const ConstTensorView& doutput,
                           const TensorView& dinput) const {
  kernels::WeightGradient(run.stream, {.dy = doutput,
                                       .x = saved.act,
                                       .format = run.format,
                                       .gradients = {&down_.gradient, 1}});
  ArenaScope scratch(run.arena);
  const TensorView dact = run.New(saved.act.dtype(), saved.act.shape());
  kernels::MatMul(run.stream, {.a = doutput, .b = down_.weight, .c = dact});
  run.Poll();
  kernels::ActivateBackward(run.stream, activation_, saved.inner, dact,
                            saved.inner);
  kernels::WeightGradient(run.stream, {.dy = saved.inner,
                                       .x = saved.input,
                                       .format = run.format,
                                       .gradients = inner_gradients_});
  run.Poll();
  kernels::MatMul(run.stream,
                  {.a = saved.inner, .b = inner_weight_, .c = dinput});
}

}  // namespace switchyard
