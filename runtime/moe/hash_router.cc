// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/hash_router.h"

#include "switchyard/base/check.h"
#include "switchyard/base/philox.h"
#include "switchyard/kernels/hash_router.h"

namespace switchyard {

HashRouter::HashRouter(const ModelConfig& config, const std::string& prefix)
    : key_(MixKey(MixKey(0, std::string_view("hash router")),
                  std::string_view(prefix))),
      experts_(config.experts),
      experts_per_token_(config.experts_per_token) {}

RouterOutput HashRouter::Forward(const Execution& run,
                                 const ConstTensorView& /*input*/,
                                 const TokenBatch& batch) const {
  SWITCHYARD_CHECK(!batch.replayed.defined())
      << "a hash of token ids takes no replayed experts";
  const int64_t tokens = batch.ids.dim(0);
  kernels::HashRouterArgs args;
  args.ids = batch.ids;
  args.key = key_;
  args.probabilities = run.New(DType::kFloat32, {tokens, experts_});
  args.logsumexp = run.New(DType::kFloat32, {tokens});
  args.experts = run.New(DType::kInt32, {tokens, experts_per_token_});
  args.gates = run.New(DType::kFloat32, {tokens, experts_per_token_});
  kernels::HashRouter(run.stream, args);
  return {args.probabilities, args.logsumexp, args.experts, args.gates,
          ConstTensorView()};
}

void HashRouter::Backward(const Execution& run, const ConstTensorView&,
                          const RouterOutput&, const RouterGradients&,
                          const TensorView& dinput) const {
  run.stream.Zero(dinput);
}

}  // namespace switchyard
