// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A mixture-of-experts layer: router, dispatcher and the experts of this rank.
// Forward and Backward are collective calls of the expert-parallel group.
#ifndef SWITCHYARD_RUNTIME_MOE_MOE_LAYER_H_
#define SWITCHYARD_RUNTIME_MOE_MOE_LAYER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/runtime/moe/expert_bank.h"
#include "switchyard/runtime/moe/router.h"
#include "switchyard/runtime/moe/routing.h"
#include "switchyard/runtime/moe/token_dispatcher.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

struct MoeOptions {
  int64_t capacity = 0;  // rows an expert takes of a micro-batch; 0: dropless
  int64_t max_rows_per_rank = 0;  // 0: no bound
  const RouterFactory* routers = &TopKRouters();
};

class MoeLayer {
 public:
  // `prefix` is that of the layer: "model.layers.0".
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix,
                      const RouterFactory& routers = TopKRouters());
  MoeLayer(const ParameterStore& store, const Grid& grid,
           const ModelConfig& config, const MoeOptions& options, int layer,
           const std::string& prefix);

  // What was decided about the tokens. Made once a step, also when the
  // activations are recomputed.
  struct Decision {
    RouterOutput router;
    Routing routing;
    // fp32 [experts]: gradient of the balance loss, filled in between the
    // passes by whoever computes that loss. Undefined: none.
    ConstTensorView balance_gradient;
  };
  // `input` [tokens, hidden].
  absl::StatusOr<Decision> Decide(const Execution& run,
                                  const ConstTensorView& input,
                                  const TokenBatch& batch) const;

  struct Saved {
    ConstTensorView input;
    ConstTensorView expert_output;  // rows of the routing's buffer
    ExpertBank::Saved experts;
  };
  // Writes `output` [tokens, hidden]: 0 for a token without an expert.
  absl::StatusOr<Saved> Forward(const Execution& run, const Decision& decision,
                                const ConstTensorView& input,
                                const TensorView& output) const;

  // Gradient of the input. `z_gradient` is the weight of the sum over tokens of
  // logsumexp² in the objective.
  absl::StatusOr<TensorView> Backward(const Execution& run,
                                      const Decision& decision,
                                      const Saved& saved,
                                      const TokenBatch& batch, float z_gradient,
                                      const ConstTensorView& doutput) const;

  // Router::selection_bias.
  TensorView selection_bias() const { return router_->selection_bias(); }

 private:
  // fp32 of the input, for the router.
  ConstTensorView RouterInput(const Execution& run,
                              const ConstTensorView& input) const;
  absl::Status BackwardThroughExperts(const Execution& run,
                                      const Decision& decision,
                                      const Saved& saved,
                                      const ConstTensorView& doutput,
                                      const TensorView& dinput) const;

  // The batch as this layer's router sees it.
  TokenBatch OfLayer(const TokenBatch& batch) const;

  int layer_;
  std::unique_ptr<Router> router_;
  TokenDispatcher dispatcher_;
  ExpertBank experts_;
  int64_t capacity_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_MOE_LAYER_H_
