// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The whole model's gradient under every rule of routing, with selection biases
// that are not zero.
#include <string>

#include "gtest/gtest.h"
#include "switchyard/tests/gradient/whole_model.h"

namespace switchyard::testing {
namespace {

using Case = WholeModelCase;
using kernels::RouterScoring;

// DeepSeek-V3's router: 8 experts in 4 groups.
void DeepSeekV3(ModelConfig& m) {
  m.experts = 8;
  m.router.scoring = RouterScoring::kSigmoid;
  m.router.topk_method = TopKMethod::kNoAuxTc;
  m.router.groups = 4;
  m.router.groups_per_token = 2;
  m.router.selection_bias = true;
  m.router.scaling = 2.5;
}

// Its experts and first dense layer too.
void DeepSeekV3Layers(ModelConfig& m) {
  DeepSeekV3(m);
  m.feed_forward.first_k_dense_replace = 1;
  m.feed_forward.n_shared_experts = 1;
}

void DeepSeekV2(ModelConfig& m) {
  m.experts = 6;
  m.router.topk_method = TopKMethod::kGroupLimitedGreedy;
  m.router.groups = 3;
  m.router.groups_per_token = 2;
  m.router.renormalize = false;
  m.router.scaling = 1.5;
}

void Devices(ModelConfig& m) {
  m.experts = 6;
  m.router.device_groups = 3;
  m.router.device_groups_per_token = 2;
}

void ExpertsChooseTokens(ModelConfig& m) {
  m.router.type = RouterType::kExpertChoice;
  m.router.scaling = 1.5;
  m.balance_loss_coef = 0.0;
  m.router_z_loss_coef = 0.1;
}

OverflowOptions Survivors(DropPolicy policy) {
  OverflowOptions overflow;
  overflow.renormalize_survivors = true;
  overflow.drop_policy = policy;
  return overflow;
}

void Jitter(TrainOptions& run) { run.exploration.router_jitter = 0.3; }

INSTANTIATE_TEST_SUITE_P(
    Routers, WholeModelTest,
    ::testing::Values(
        Case{.name = "DeepSeekV3",
             .edit = DeepSeekV3,
             .edit_run =
                 [](TrainOptions& run) {
                   run.model.balance_loss_coef = 0.3;
                   run.model.router_z_loss_coef = 0.1;
                 }},
        Case{.name = "DeepSeekV3Layers",
             .experts_per_token = 3,
             .edit = DeepSeekV3Layers},
        Case{.name = "DeepSeekV3Survivors",
             .experts_per_token = 3,
             .capacity_factor = "0.6",
             .overflow = Survivors(DropPolicy::kPosition),
             .edit = DeepSeekV3},
        Case{.name = "SigmoidTop1",
             .experts_per_token = 1,
             .edit =
                 [](ModelConfig& m) {
                   m.router.scoring = RouterScoring::kSigmoid;
                 }},
        Case{.name = "SigmoidNotDivided",
             .edit =
                 [](ModelConfig& m) {
                   m.router.scoring = RouterScoring::kSigmoid;
                   m.router.renormalize = false;
                   m.router.scaling = 0.5;
                 }},
        Case{.name = "SoftmaxWithBias",
             .edit =
                 [](ModelConfig& m) {
                   m.router.selection_bias = true;
                   m.router.scaling = 2.0;
                 }},
        Case{.name = "DeepSeekV2", .experts_per_token = 3, .edit = DeepSeekV2},
        Case{.name = "DeviceLimited", .experts_per_token = 3, .edit = Devices},
        Case{.name = "SoftmaxAfterTopK",
             .edit =
                 [](ModelConfig& m) {
                   m.router.softmax_after_topk = true;
                   m.router.scaling = 2.5;
                 }},
        Case{
            .name = "SoftmaxAfterTopKSurvivors",
            .experts_per_token = 3,
            .capacity_factor = "0.8",
            .overflow = Survivors(DropPolicy::kProbability),
            .edit = [](ModelConfig& m) { m.router.softmax_after_topk = true; }},
        Case{.name = "ExpertChoice", .edit = ExpertsChooseTokens},
        Case{.name = "ExpertChoiceOfOne",
             .experts_per_token = 1,
             .edit = ExpertsChooseTokens}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Training, WholeModelTest,
    ::testing::Values(
        Case{.name = "Jitter", .edit_run = Jitter},
        Case{
            .name = "JitterDeepSeekV3", .edit = DeepSeekV3, .edit_run = Jitter},
        Case{.name = "ExpertDropout",
             .edit_run = [](TrainOptions& run) { run.expert_dropout = 0.4; }},
        Case{.name = "ExpertDropoutCapacityTwoMatrices",
             .capacity_factor = "1",
             .edit =
                 [](ModelConfig& m) {
                   m.feed_forward.activation = {kernels::Activation::kGelu,
                                                /*gated=*/false};
                   m.feed_forward.shared_expert_intermediate_size = 10;
                   m.feed_forward.shared_expert_gate = true;
                 },
             .edit_run = [](TrainOptions& run) { run.expert_dropout = 0.4; }}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace switchyard::testing
