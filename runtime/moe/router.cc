// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/router.h"

#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/router.h"

namespace switchyard {
namespace {

class TopKRouterFactory : public RouterFactory {
 public:
  void Declare(ParameterStore& store, const ModelConfig& config,
               const std::string& prefix) const override {
    TopKRouter::Declare(store, config, prefix);
  }
  std::unique_ptr<Router> Make(const ParameterStore& store,
                               const ModelConfig& config,
                               const std::string& prefix) const override {
    return std::make_unique<TopKRouter>(store, config, prefix);
  }
};

}  // namespace

const RouterFactory& TopKRouters() {
  static const TopKRouterFactory factory;
  return factory;
}

void TopKRouter::Declare(ParameterStore& store, const ModelConfig& config,
                         const std::string& prefix) {
  store.Declare(prefix + ".gate.weight", {config.experts, config.hidden_size},
                ParameterStore::Kind::kRouter, config.initializer_range);
}

TopKRouter::TopKRouter(const ParameterStore& store, const ModelConfig& config,
                       const std::string& prefix)
    : weight_(store.Get(prefix + ".gate.weight")),
      experts_(config.experts),
      experts_per_token_(config.experts_per_token),
      renormalize_(config.renormalizes_gates()) {}

RouterOutput TopKRouter::Forward(const Execution& run,
                                 const ConstTensorView& input,
                                 const TokenBatch& batch) const {
  const int64_t tokens = input.dim(0);
  kernels::RouterArgs args;
  args.renormalize = renormalize_;
  args.replayed = batch.replayed;
  args.probabilities = run.New(DType::kFloat32, {tokens, experts_});
  args.logsumexp = run.New(DType::kFloat32, {tokens});
  args.experts = run.New(DType::kInt32, {tokens, experts_per_token_});
  args.gates = run.New(DType::kFloat32, {tokens, experts_per_token_});
  ArenaScope scratch(run.arena);
  const TensorView logits = run.New(DType::kFloat32, {tokens, experts_});
  kernels::MatMul(run.stream, {.a = input,
                               .b = weight_.weight,
                               .transpose_b = kernels::Transpose::kYes,
                               .c = logits});
  args.logits = logits;
  kernels::Router(run.stream, args);
  return {args.probabilities, args.logsumexp, args.experts, args.gates};
}

void TopKRouter::Backward(const Execution& run, const ConstTensorView& input,
                          const RouterOutput& output,
                          const RouterGradients& gradients,
                          const TensorView& dinput) const {
  ArenaScope scratch(run.arena);
  kernels::RouterBackwardArgs args;
  args.probabilities = output.probabilities;
  args.logsumexp = output.logsumexp;
  args.experts = output.experts;
  args.gates = output.gates;
  args.dgates = gradients.dgates;
  args.valid = gradients.batch.valid;
  args.balance_gradient = gradients.balance_gradient;
  args.z_gradient = gradients.z_gradient;
  args.renormalize = renormalize_;
  args.dlogits = run.New(DType::kFloat32, output.probabilities.shape());
  kernels::RouterBackward(run.stream, args);
  kernels::WeightGradient(run.stream, {.dy = args.dlogits,
                                       .x = input,
                                       .format = run.format,
                                       .gradients = {&weight_.gradient, 1}});
  kernels::MatMul(run.stream,
                  {.a = args.dlogits, .b = weight_.weight, .c = dinput});
}

}  // namespace switchyard
