// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/router.h"

#include "switchyard/base/check.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/reroute.h"
#include "switchyard/kernels/router.h"

namespace switchyard {
namespace {

std::string BiasName(const std::string& prefix) {
  return prefix + ".gate.e_score_correction_bias";
}

kernels::RouterRule RuleOf(const ModelConfig& config) {
  kernels::RouterRule rule;
  const RouterConfig& router = config.router;
  rule.scoring = router.scoring;
  rule.gates = config.renormalizes_gates() ? kernels::GateNormalization::kSum
                                           : kernels::GateNormalization::kNone;
  if (router.softmax_after_topk) {
    rule.gates = kernels::GateNormalization::kSoftmax;
  }
  rule.scaling = static_cast<float>(router.scaling);
  if (router.device_groups > 1) {
    rule.groups = router.device_groups;
    rule.groups_per_token = router.device_groups_per_token;
    return rule;
  }
  rule.groups = router.groups;
  rule.groups_per_token = router.groups_per_token;
  rule.group_score = router.topk_method == TopKMethod::kNoAuxTc
                         ? kernels::GroupScore::kSumOfTwo
                         : kernels::GroupScore::kMax;
  return rule;
}

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

ConstTensorView Router::GatesOf(const Execution&, const RouterOutput&,
                                const ConstTensorView&) const {
  SWITCHYARD_CHECK(false) << "this router cannot reroute assignments";
  return ConstTensorView();
}

void TopKRouter::Declare(ParameterStore& store, const ModelConfig& config,
                         const std::string& prefix) {
  store.Declare(prefix + ".gate.weight", {config.experts, config.hidden_size},
                ParameterStore::Kind::kRouter, config.initializer_range);
  if (config.router.noisy_top_k) NoisyGate::Declare(store, config, prefix);
  if (config.router.selection_bias) {
    store.DeclareState(BiasName(prefix), {config.experts});
  }
}

TopKRouter::TopKRouter(const ParameterStore& store, const ModelConfig& config,
                       const std::string& prefix)
    : weight_(store.Get(prefix + ".gate.weight")),
      experts_(config.experts),
      experts_per_token_(config.experts_per_token),
      rule_(RuleOf(config)) {
  if (config.router.selection_bias) {
    selection_bias_ = store.GetState(BiasName(prefix)).values;
  }
  if (config.router.noisy_top_k) noisy_gate_.emplace(store, prefix);
}

RouterOutput TopKRouter::Forward(const Execution& run,
                                 const ConstTensorView& input,
                                 const TokenBatch& batch) const {
  const int64_t tokens = input.dim(0);
  kernels::RouterArgs args;
  args.rule = rule_;
  args.selection_bias = selection_bias_;
  args.selection_noise = batch.selection_noise;
  args.replayed = batch.replayed;
  args.probabilities = run.New(DType::kFloat32, {tokens, experts_});
  args.logsumexp = run.New(DType::kFloat32, {tokens});
  args.experts = run.New(DType::kInt32, {tokens, experts_per_token_});
  args.gates = run.New(DType::kFloat32, {tokens, experts_per_token_});
  // The backward pass finds sigmoids in the logits, a softmax in its result.
  const bool keeps_logits = rule_.scoring == kernels::RouterScoring::kSigmoid;
  const bool noisy = batch.training && noisy_gate_.has_value();
  TensorView logits, noise_slope;
  if (noisy) noise_slope = run.New(DType::kFloat32, {tokens, experts_});
  if (keeps_logits) logits = run.New(DType::kFloat32, {tokens, experts_});
  ArenaScope scratch(run.arena);
  if (!keeps_logits) logits = run.New(DType::kFloat32, {tokens, experts_});
  kernels::MatMul(run.stream, {.a = input,
                               .b = weight_.weight,
                               .transpose_b = kernels::Transpose::kYes,
                               .c = logits});
  if (noisy) noisy_gate_->AddNoise(run, input, batch, logits, noise_slope);
  args.logits = logits;
  kernels::Router(run.stream, args);
  return {args.probabilities,
          args.logsumexp,
          args.experts,
          args.gates,
          keeps_logits ? logits : TensorView(),
          noise_slope};
}

ConstTensorView TopKRouter::GatesOf(const Execution& run,
                                    const RouterOutput& output,
                                    const ConstTensorView& experts) const {
  const TensorView gates = run.New(DType::kFloat32, output.gates.shape());
  kernels::ReroutedGates(
      run.stream,
      {.probabilities = output.probabilities,
       .chosen = output.experts,
       .chosen_gates = output.gates,
       .experts = experts,
       .normalize = rule_.gates != kernels::GateNormalization::kNone,
       .scaling = rule_.scaling,
       .gates = gates});
  return gates;
}

void TopKRouter::Backward(const Execution& run, const ConstTensorView& input,
                          const RouterOutput& output,
                          const RouterGradients& gradients,
                          const TensorView& dinput) const {
  ArenaScope scratch(run.arena);
  kernels::RouterBackwardArgs args;
  args.logits = output.logits;
  args.probabilities = output.probabilities;
  args.logsumexp = output.logsumexp;
  args.experts = output.experts;
  args.gates = output.gates;
  args.dgates = gradients.dgates;
  args.valid = gradients.batch.valid;
  args.balance_gradient = gradients.balance_gradient;
  args.z_gradient = gradients.z_gradient;
  args.rule = rule_;
  args.dlogits = run.New(DType::kFloat32, output.probabilities.shape());
  kernels::RouterBackward(run.stream, args);
  kernels::WeightGradient(run.stream, {.dy = args.dlogits,
                                       .x = input,
                                       .format = run.format,
                                       .gradients = {&weight_.gradient, 1}});
  kernels::MatMul(run.stream,
                  {.a = args.dlogits, .b = weight_.weight, .c = dinput});
  if (!output.noise_slope.defined()) return;
  noisy_gate_->Backward(run, input, output.noise_slope, args.dlogits, dinput);
}

}  // namespace switchyard
