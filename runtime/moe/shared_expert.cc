// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/shared_expert.h"

#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/sigmoid_gate.h"

namespace switchyard {
namespace {

std::string NetworkPrefix(const ModelConfig& config,
                          const std::string& prefix) {
  return prefix + (config.feed_forward.n_shared_experts > 0
                       ? ".mlp.shared_experts"
                       : ".mlp.shared_expert");
}
std::string GateName(const std::string& prefix) {
  return prefix + ".mlp.shared_expert_gate.weight";
}

}  // namespace

void SharedExpert::Declare(ParameterStore& store, const ModelConfig& config,
                           const std::string& prefix) {
  FeedForward::Declare(store, config, SharedWidth(config),
                       NetworkPrefix(config, prefix));
  if (!config.feed_forward.shared_expert_gate) return;
  store.Declare(GateName(prefix), {1, config.hidden_size},
                ParameterStore::Kind::kMatrix, config.initializer_range);
}

SharedExpert::SharedExpert(const ParameterStore& store,
                           const ModelConfig& config, const std::string& prefix)
    : network_(store, config, SharedWidth(config),
               NetworkPrefix(config, prefix)),
      gate_(config.feed_forward.shared_expert_gate
                ? &store.Get(GateName(prefix))
                : nullptr) {}

SharedExpert::Saved SharedExpert::Forward(const Execution& run,
                                          const ConstTensorView& input) const {
  Saved saved;
  saved.value = run.New(input.dtype(), input.shape());
  if (gate_ != nullptr) {
    saved.logits = run.New(DType::kFloat32, {input.dim(0)});
  }
  saved.network = network_.Forward(run, input, saved.value);
  return saved;
}

void SharedExpert::AddTo(const Execution& run, Saved& saved,
                         const TensorView& output) const {
  if (gate_ == nullptr) {
    kernels::Add(run.stream, output, saved.value, output);
    return;
  }
  kernels::SigmoidGate(run.stream, {.x = saved.network.input,
                                    .weight = gate_->weight,
                                    .value = saved.value,
                                    .logits = saved.logits,
                                    .y = output});
}

void SharedExpert::BackwardThroughGate(const Execution& run, const Saved& saved,
                                       const ConstTensorView& doutput,
                                       const TensorView& dinput) const {
  const ConstTensorView& input = saved.network.input;
  const TensorView dlogits = run.New(input.dtype(), {input.dim(0), 1});
  const TensorView dvalue = run.New(input.dtype(), input.shape());
  const TensorView through_gate = run.New(input.dtype(), input.shape());
  run.stream.Zero(through_gate);
  kernels::SigmoidGateBackward(run.stream, {.dy = doutput,
                                            .value = saved.value,
                                            .weight = gate_->weight,
                                            .logits = saved.logits,
                                            .dvalue = dvalue,
                                            .dlogits = dlogits,
                                            .dx = through_gate});
  kernels::WeightGradient(run.stream, {.dy = dlogits,
                                       .x = input,
                                       .format = run.format,
                                       .gradients = {&gate_->gradient, 1}});
  network_.Backward(run, saved.network, dvalue, dinput);
  kernels::Add(run.stream, dinput, through_gate, dinput);
}

void SharedExpert::Backward(const Execution& run, const Saved& saved,
                            const ConstTensorView& doutput,
                            const TensorView& dinput) const {
  ArenaScope scratch(run.arena);
  if (gate_ != nullptr) {
    BackwardThroughGate(run, saved, doutput, dinput);
  } else {
    network_.Backward(run, saved.network, doutput, dinput);
  }
}

}  // namespace switchyard
