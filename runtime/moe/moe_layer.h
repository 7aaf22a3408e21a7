// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A mixture-of-experts layer: router, dispatcher, the experts of this rank and
// the shared one.
// Forward and Backward are collective calls of the expert-parallel group.
#ifndef SWITCHYARD_RUNTIME_MOE_MOE_LAYER_H_
#define SWITCHYARD_RUNTIME_MOE_MOE_LAYER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/runtime/moe/expert_bank.h"
#include "switchyard/runtime/moe/expert_dropout.h"
#include "switchyard/runtime/moe/exploration.h"
#include "switchyard/runtime/moe/model_routers.h"
#include "switchyard/runtime/moe/overflow_options.h"
#include "switchyard/runtime/moe/router.h"
#include "switchyard/runtime/moe/routing.h"
#include "switchyard/runtime/moe/shared_expert.h"
#include "switchyard/runtime/moe/token_dispatcher.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

struct MoeOptions {
  OverflowRule overflow;       // in training
  OverflowRule eval_overflow;  // in evaluations
  // Rows that meet on a rank in a layer, from the micro-batches of all ranks
  // that share out the experts; 0: no bound.
  int64_t max_rows_per_rank = 0;
  // Share of elements, in training (expert_dropout.h).
  double expert_dropout = 0.0;
  ExplorationOptions exploration;  // in training
  const RouterFactory* routers = &ModelRouters();
};

class MoeLayer {
 public:
  // `prefix` is that of the layer: "model.layers.0".
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix,
                      const RouterFactory& routers = ModelRouters());
  MoeLayer(const ParameterStore& store, const Grid& grid,
           const ModelConfig& config, const MoeOptions& options, int layer,
           const std::string& prefix);

  // What was decided about the tokens. Made once a step, also when the
  // activations are recomputed.
  struct Decision {
    RouterOutput router;
    Routing routing;
    // The router's output with the experts where rows go and their gates: what
    // the router did, but for assignments that were rerouted. Balance losses
    // count what it chose, its backward pass what it is answerable for.
    RouterOutput placed;
    // fp32 [tokens, k]: weights of the experts' outputs.
    ConstTensorView gates;
    // int64: the layer's counts of a window of micro-batches, if the balance
    // loss asks for them (balance_loss.h).
    ConstTensorView window_counts;
    // fp64 [2]: where the balance loss writes those of device groups and of
    // their communication, without coefficients. Undefined: nowhere.
    TensorView device_losses;
    // fp32 [sequences, experts]: gradient of the balance loss by the
    // probabilities of each token of a sequence (one for all tokens, or one for
    // each of the micro-batch's), filled in between the passes by whoever
    // computes that loss. Undefined: none.
    ConstTensorView balance_gradient;
    ExpertDropout dropout;
  };
  // `input` [tokens, hidden], the model's dtype. ResourceExhausted, on all
  // ranks of the world, if more rows meet on one than max_rows_per_rank.
  absl::StatusOr<Decision> Decide(const Execution& run,
                                  const ConstTensorView& input,
                                  const TokenBatch& batch) const;

  struct Saved {
    ConstTensorView input;
    ConstTensorView expert_output;  // rows of the routing's buffer
    ExpertBank::Saved experts;
    SharedExpert::Saved shared;  // if the model has one
  };
  // Writes `output` [tokens, hidden]: 0, or the shared expert's, for a token
  // without an expert.
  absl::StatusOr<Saved> Forward(const Execution& run, const Decision& decision,
                                const ConstTensorView& input,
                                const TensorView& output) const;

  // Gradient of the input, given `doutput`, that of the output: both [tokens,
  // hidden], the model's dtype. `z_gradient` is the weight of the sum over
  // tokens of logsumexp² in the objective.
  absl::StatusOr<TensorView> Backward(const Execution& run,
                                      const Decision& decision,
                                      const Saved& saved,
                                      const TokenBatch& batch, float z_gradient,
                                      const ConstTensorView& doutput) const;

  // Router::selection_bias.
  TensorView selection_bias() const { return router_->selection_bias(); }

 private:
  // The input as the router sees it, fp32; experts see it as it is.
  ConstTensorView RouterInput(const Execution& run, const TokenBatch& batch,
                              const ConstTensorView& input) const;
  // Gradient of that input, through the router: fp32.
  TensorView RouterBackward(const Execution& run, const Decision& decision,
                            const ConstTensorView& input,
                            const RouterGradients& gradients) const;
  // Sets the decision's `placed` and `gates` from the other two.
  void DecideGates(const Execution& run, const OverflowRule& rule,
                   Decision& decision) const;
  // Gradient of decision.placed.gates.
  TensorView GateGradient(const Execution& run, const Decision& decision,
                          const Saved& saved,
                          const ConstTensorView& doutput) const;
  absl::Status BackwardThroughExperts(const Execution& run,
                                      const Decision& decision,
                                      const Saved& saved,
                                      const ConstTensorView& doutput,
                                      const TensorView& dinput,
                                      const TensorView& shared_dinput) const;

  // The batch as this layer's router sees it.
  TokenBatch OfLayer(const TokenBatch& batch) const;

  const Grid& grid_;
  int layer_;
  int64_t expert_layer_;  // among the layers with experts
  int64_t expert_count_;
  std::unique_ptr<Router> router_;
  TokenDispatcher dispatcher_;
  ExpertBank experts_;
  std::unique_ptr<SharedExpert> shared_;  // null: none
  OverflowRule overflow_;
  OverflowRule eval_overflow_;
  double expert_dropout_;
  Exploration exploration_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_MOE_LAYER_H_
