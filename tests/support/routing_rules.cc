// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/routing_rules.h"

#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

RouterConfig OfType(RouterType type) {
  RouterConfig router;
  router.type = type;
  return router;
}

RouterConfig DeepSeekV3() {
  RouterConfig router;
  router.scoring = kernels::RouterScoring::kSigmoid;
  router.scaling = 2.5;
  router.topk_method = TopKMethod::kNoAuxTc;
  router.groups = 4;
  router.groups_per_token = 2;
  router.selection_bias = true;
  return router;
}

RouterConfig DeepSeekV2() {
  RouterConfig router;
  router.renormalize = false;
  router.scaling = 4.0;
  router.device_groups = 4;
  router.device_groups_per_token = 1;
  return router;
}

RouterConfig SoftmaxAfterTopK() {
  RouterConfig router;
  router.softmax_after_topk = true;
  return router;
}

RouterConfig NoisyTopK() {
  RouterConfig router;
  router.noisy_top_k = true;
  return router;
}

}  // namespace

std::vector<RoutingRule> RoutingRules() {
  return {{"DeepSeekV3", DeepSeekV3()},
          {"DeepSeekV2", DeepSeekV2()},
          {"SoftmaxAfterTopK", SoftmaxAfterTopK()},
          {"NoisyTopK", NoisyTopK()},
          {"Jitter", {}, {.router_jitter = 0.1}},
          {"Sampling", {}, {.router_sampling = true}},
          {"Hash", OfType(RouterType::kHash)},
          {"ExpertChoice", OfType(RouterType::kExpertChoice)}};
}

TrainOptions RunOf(const RoutingRule& rule, DType dtype) {
  TrainOptions options = SmallRun();
  options.steps = 4;
  options.dtype = dtype;
  options.model.router = rule.router;
  options.exploration = rule.exploration;
  if (rule.router.type != RouterType::kTokenChoice) {
    options.model.balance_loss_coef = 0.0;
  }
  if (rule.router.type == RouterType::kHash) {
    options.model.router_z_loss_coef = 0.0;
  }
  return options;
}

}  // namespace switchyard::testing
