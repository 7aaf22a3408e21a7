// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Who goes where: the interface of routers and the one of Mixtral and Switch.
// A router works in fp32 whatever the model's dtype, local to the token's rank.
#ifndef SWITCHYARD_RUNTIME_MOE_ROUTER_H_
#define SWITCHYARD_RUNTIME_MOE_ROUTER_H_

#include <memory>
#include <optional>
#include <string>

#include "switchyard/kernels/router.h"
#include "switchyard/runtime/moe/noisy_gate.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

// What a router decided for the tokens of one micro-batch, kept for the
// backward pass and for the balance losses.
struct RouterOutput {
  // fp32 [tokens, experts]: what balance losses average; a row sums to 1. The
  // softmax of the logits, or sigmoids divided by their sum (kernels/router.h).
  ConstTensorView probabilities;
  ConstTensorView logsumexp;  // fp32 [tokens], of the logits
  // int32 [tokens, k], best first; kNoExpert (kernels/no_expert.h) where there
  // is none, which routers may say that choose otherwise.
  ConstTensorView experts;
  ConstTensorView gates;   // fp32 [tokens, k]
  ConstTensorView logits;  // fp32 [tokens, experts], where Backward needs them
  // fp32 [tokens, experts], where noise of learned size was added
  // (noisy_gate.h)
  ConstTensorView noise_slope = {};
};

// What flows back into a router.
struct RouterGradients {
  ConstTensorView dgates;            // fp32 [tokens, k]
  TokenBatch batch;                  // that of Forward
  ConstTensorView balance_gradient;  // fp32 [sequences, experts], optional
  float z_gradient = 0.0f;
};

class Router {
 public:
  virtual ~Router() = default;
  // `input` fp32 [tokens, hidden], of the tokens of `batch`. Called once a
  // step and micro-batch, also where activations are recomputed. Where
  // batch.replayed is defined, those experts are chosen, with gates from their
  // scores.
  virtual RouterOutput Forward(const Execution& run,
                               const ConstTensorView& input,
                               const TokenBatch& batch) const = 0;
  // Adds the weight's gradient to its sum and writes that of the input into
  // `dinput` (fp32 [tokens, hidden]).
  virtual void Backward(const Execution& run, const ConstTensorView& input,
                        const RouterOutput& output,
                        const RouterGradients& gradients,
                        const TensorView& dinput) const = 0;
  // The gates that the router's rule gives for `experts`, int32 [tokens, k], to
  // which overflow was rerouted; those of `output` for a token whose experts
  // are the same. Backward then gets the experts and these gates. Needed where
  // assignments are rerouted (overflow_options.h); by default a bug.
  virtual ConstTensorView GatesOf(const Execution& run,
                                  const RouterOutput& output,
                                  const ConstTensorView& experts) const;
  // fp32 [experts]: added to the scores by which experts are chosen, never to
  // gates (kernels/router.h). A state tensor, the same on all ranks, which
  // whoever keeps loads level by it may write between two steps. Undefined: the
  // router has none.
  virtual TensorView selection_bias() const { return TensorView(); }
};

// The kind of router that a model has: what each layer's learns, and the router
// itself. `prefix` is that of the layer's mixture and ends in
// "block_sparse_moe".
class RouterFactory {
 public:
  virtual ~RouterFactory() = default;
  virtual void Declare(ParameterStore& store, const ModelConfig& config,
                       const std::string& prefix) const = 0;
  // After store.Allocate.
  virtual std::unique_ptr<Router> Make(const ParameterStore& store,
                                       const ModelConfig& config,
                                       const std::string& prefix) const = 0;
};

// The k best of all experts by the model's rule (router_config.h,
// kernels/router.h).
class TopKRouter : public Router {
 public:
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix);
  TopKRouter(const ParameterStore& store, const ModelConfig& config,
             const std::string& prefix);

  RouterOutput Forward(const Execution& run, const ConstTensorView& input,
                       const TokenBatch& batch) const override;
  void Backward(const Execution& run, const ConstTensorView& input,
                const RouterOutput& output, const RouterGradients& gradients,
                const TensorView& dinput) const override;
  ConstTensorView GatesOf(const Execution& run, const RouterOutput& output,
                          const ConstTensorView& experts) const override;
  TensorView selection_bias() const override { return selection_bias_; }

 private:
  const Parameter& weight_;    // [experts, hidden]
  TensorView selection_bias_;  // fp32 [experts]; undefined: none
  int64_t experts_;
  int64_t experts_per_token_;
  kernels::RouterRule rule_;
  std::optional<NoisyGate> noisy_gate_;
};

// Makes a TopKRouter for every layer.
const RouterFactory& TopKRouters();

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_ROUTER_H_
