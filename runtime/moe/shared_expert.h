// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The shared expert of a layer with experts: a dense feed-forward network that
// every token passes besides those it chooses (DeepSeekMoE, 2401.06066), if
// wanted with a gate of its own (Qwen2-MoE):
//
//   y += FFN(x)      or      y += σ(x · w) · FFN(x)
//
// It is data-parallel: every rank has it whole, and no row travels for it.
#ifndef SWITCHYARD_RUNTIME_MOE_SHARED_EXPERT_H_
#define SWITCHYARD_RUNTIME_MOE_SHARED_EXPERT_H_

#include <string>

#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/feed_forward.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

class SharedExpert {
 public:
  // `prefix` is that of the layer: "model.layers.0". Names are DeepSeek's
  // (mlp.shared_experts) or Qwen's (mlp.shared_expert, mlp.shared_expert_gate),
  // by the key that the model has.
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix);
  SharedExpert(const ParameterStore& store, const ModelConfig& config,
               const std::string& prefix);

  struct Saved {
    FeedForward::Saved network;
    TensorView value;   // [tokens, hidden]: FFN(x)
    TensorView logits;  // fp32 [tokens]: x · w, if there is a gate
  };
  // FFN(x), which may be computed while rows travel.
  Saved Forward(const Execution& run, const ConstTensorView& input) const;
  // Adds it to `output`, through the gate if there is one.
  void AddTo(const Execution& run, Saved& saved,
             const TensorView& output) const;
  // Writes the gradient of the input. Overwrites what was saved.
  void Backward(const Execution& run, const Saved& saved,
                const ConstTensorView& doutput, const TensorView& dinput) const;

 private:
  void BackwardThroughGate(const Execution& run, const Saved& saved,
                           const ConstTensorView& doutput,
                           const TensorView& dinput) const;

  FeedForward network_;
  const Parameter* gate_;  // [1, hidden]; null: none
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_SHARED_EXPERT_H_
