// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Experts choose tokens (2202.09368; kernels/expert_choice.h): each takes the
// ceil(k · T / E) tokens of a micro-batch of T with the highest softmax scores,
// k being num_experts_per_tok, the mean number of experts of a token where none
// is padding. Padding counts in T, so that an expert's rows do not depend on
// the text, and is never taken. The gate is the score.
//
// This sees the future: whether an expert takes a token depends on the other
// tokens of the micro-batch, later ones too. Losses of a decoder trained or
// evaluated so are not those of one that writes token by token.
#ifndef SWITCHYARD_RUNTIME_MOE_EXPERT_CHOICE_ROUTER_H_
#define SWITCHYARD_RUNTIME_MOE_EXPERT_CHOICE_ROUTER_H_

#include <string>

#include "switchyard/runtime/moe/router.h"

namespace switchyard {

class ExpertChoiceRouter : public Router {
 public:
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix);
  ExpertChoiceRouter(const ParameterStore& store, const ModelConfig& config,
                     const std::string& prefix);

  // Of E choices a token, kNoExpert behind the last.
  RouterOutput Forward(const Execution& run, const ConstTensorView& input,
                       const TokenBatch& batch) const override;
  // Exact for the choice made.
  void Backward(const Execution& run, const ConstTensorView& input,
                const RouterOutput& output, const RouterGradients& gradients,
                const TensorView& dinput) const override;

 private:
  const ModelConfig config_;
  const TopKRouter scores_;  // of the weight, and the gates' gradient
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_EXPERT_CHOICE_ROUTER_H_
