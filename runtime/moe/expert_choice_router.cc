// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/expert_choice_router.h"

#include "switchyard/base/check.h"
#include "switchyard/kernels/expert_choice.h"

namespace switchyard {
namespace {

// A router by tokens with the same scores, and gates that are not divided.
ModelConfig ScoresOf(const ModelConfig& config) {
  ModelConfig scores = config;
  scores.experts_per_token = 1;
  scores.router.renormalize = false;
  return scores;
}

}  // namespace

void ExpertChoiceRouter::Declare(ParameterStore& store,
                                 const ModelConfig& config,
                                 const std::string& prefix) {
  TopKRouter::Declare(store, config, prefix);
}

ExpertChoiceRouter::ExpertChoiceRouter(const ParameterStore& store,
                                       const ModelConfig& config,
                                       const std::string& prefix)
    : config_(config), scores_(store, ScoresOf(config), prefix) {}

RouterOutput ExpertChoiceRouter::Forward(const Execution& run,
                                         const ConstTensorView& input,
                                         const TokenBatch& batch) const {
  SWITCHYARD_CHECK(!batch.replayed.defined())
      << "experts that choose take no replayed experts";
  const int64_t tokens = input.dim(0);
  RouterOutput output = scores_.Forward(run, input, batch);
  kernels::ExpertChoiceArgs args;
  args.probabilities = output.probabilities;
  args.valid = batch.valid;
  args.rows = ExpertChoiceRows(config_, tokens);
  args.scaling = static_cast<float>(config_.router.scaling);
  args.experts = run.New(DType::kInt32, {tokens, config_.experts});
  args.gates = run.New(DType::kFloat32, {tokens, config_.experts});
  kernels::ExpertChoice(run.stream, args);
  output.experts = args.experts;
  output.gates = args.gates;
  return output;
}

void ExpertChoiceRouter::Backward(const Execution& run,
                                  const ConstTensorView& input,
                                  const RouterOutput& output,
                                  const RouterGradients& gradients,
                                  const TensorView& dinput) const {
  scores_.Backward(run, input, output, gradients, dinput);
}

}  // namespace switchyard
