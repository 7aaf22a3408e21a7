// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A router that the library does not have, as X-MoE (2204.09179) scores tokens:
// by the angle between the token and its expert, so that neither long tokens
// nor long weights win by their length,
//
//   logit_e = kSharpness · cos(x, w_e)
//
// with softmax scores, the k best chosen and their gates divided by their sum.
// (X-MoE also projects tokens to fewer dimensions and learns the sharpness.)
#ifndef SWITCHYARD_EXAMPLES_05_CUSTOM_ROUTER_COSINE_ROUTER_H_
#define SWITCHYARD_EXAMPLES_05_CUSTOM_ROUTER_COSINE_ROUTER_H_

#include <memory>
#include <string>

#include "switchyard/runtime/moe/router.h"

namespace switchyard::examples {

// Bounds the logits: a softmax of cosines alone would be nearly even.
inline constexpr float kSharpness = 10.0f;

class CosineRouter : public Router {
 public:
  // `weight` fp32 [experts, hidden]; it must outlive the router.
  CosineRouter(const Parameter& weight, int64_t experts_per_token);

  RouterOutput Forward(const Execution& run, const ConstTensorView& input,
                       const TokenBatch& batch) const override;
  void Backward(const Execution& run, const ConstTensorView& input,
                const RouterOutput& output, const RouterGradients& gradients,
                const TensorView& dinput) const override;

 private:
  const Parameter& weight_;
  int64_t experts_per_token_;
};

// Makes one for every layer with experts.
class CosineRouters : public RouterFactory {
 public:
  void Declare(ParameterStore& store, const ModelConfig& config,
               const std::string& prefix) const override;
  std::unique_ptr<Router> Make(const ParameterStore& store,
                               const ModelConfig& config,
                               const std::string& prefix) const override;
};

}  // namespace switchyard::examples

#endif  // SWITCHYARD_EXAMPLES_05_CUSTOM_ROUTER_COSINE_ROUTER_H_
