// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Noisy top-k: in training a router's logits are x·Wᵀ + n ·
// softplus(x·W_noiseᵀ) with standard normal n and a learned W_noise that begins
// at 0 (Shazeer et al., 1701.06538, eq. 4 and appendix A). They take the
// logits' place in all that follows: choice, gates, balance and z-loss.
//
// n is a function of (seed, step, layer, token of the step, expert); a token
// keeps its noise on every layout.
#ifndef SWITCHYARD_RUNTIME_MOE_NOISY_GATE_H_
#define SWITCHYARD_RUNTIME_MOE_NOISY_GATE_H_

#include <cstdint>
#include <string>

#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

class NoisyGate {
 public:
  // `prefix` is that of the layer's mixture; the parameter is its
  // "gate.noise_weight", fp32 [experts, hidden].
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix);
  NoisyGate(const ParameterStore& store, const std::string& prefix);

  // Adds noise to `logits`, fp32 [tokens, experts], of `input`, fp32 [tokens,
  // hidden], and fills `slope`, fp32 [tokens, experts], which Backward needs.
  void AddNoise(const Execution& run, const ConstTensorView& input,
                const TokenBatch& batch, const TensorView& logits,
                const TensorView& slope) const;
  // Adds the weight's gradient to its sum and that of the input to `dinput`,
  // from that of the noisy logits.
  void Backward(const Execution& run, const ConstTensorView& input,
                const ConstTensorView& slope, const ConstTensorView& dlogits,
                const TensorView& dinput) const;

 private:
  uint64_t Key(const Execution& run) const;

  const Parameter& weight_;
  std::string prefix_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_NOISY_GATE_H_
