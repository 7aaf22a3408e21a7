// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The gradient of the whole model, of every parameter, against central
// differences of a plain model in double precision.
#include "switchyard/tests/gradient/whole_model.h"

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace switchyard::testing {
namespace {

using Case = WholeModelCase;

// Layers of both kinds, fine-grained experts, a shared one with a gate.
void MixedLayers(ModelConfig& model) {
  FeedForwardConfig& f = model.feed_forward;
  f.mlp_only_layers = {0};
  f.dense_intermediate_size = 20;
  model.intermediate_size = 12;
  f.shared_expert_intermediate_size = 10;
  f.shared_expert_gate = true;
}

void TwoMatrices(ModelConfig& model, kernels::Activation function) {
  MixedLayers(model);
  model.feed_forward.activation = {function, /*gated=*/false};
}

TEST_P(WholeModelTest, LossesAgreeWithThePlainModel) {
  const TrainOptions options = Options();
  ASSERT_TRUE(Validate(options).ok()) << Validate(options);
  const Batch batch = MakeBatch(options);
  OneRankModel model(options);
  Disturb(model);
  ASSERT_TRUE(model.Train({batch}).ok());
  const PlainLosses expected = RunPlainModel(options.model, model.Weights(),
                                             batch, PlainPassOf(options));
  // Sums of some hundred fp32 terms of order 1 along the longest path: a
  // relative error of 1e-5 would be a hundred roundings all the same way.
  EXPECT_EQ(model.statistics().total_labels(), kLabels);
  EXPECT_NEAR(model.statistics().loss_sum(), expected.loss_sum,
              1e-5 * expected.loss_sum);
  EXPECT_NEAR(model.statistics().balance(), expected.balance, 1e-5);
  EXPECT_NEAR(model.statistics().z(), expected.z, 1e-5 * expected.z + 1e-5);
  const auto sum = [](absl::Span<const int64_t> counts) {
    return std::accumulate(counts.begin(), counts.end(), int64_t{0});
  };
  const StepStatistics& statistics = model.statistics();
  EXPECT_EQ(sum(statistics.over_capacity()) > 0, !options.overflow.dropless());
  EXPECT_EQ(sum(statistics.rerouted()) > 0,
            options.overflow.no_token_left_behind > 0);
  EXPECT_EQ(sum(statistics.lost_tokens()) > 0, GetParam().loses_tokens);
}

// Invariant A1 of the parts together (docs/invariants.md has those of each):
// the gradient along random directions, four for each parameter. Central
// differences of step h in double have an error of about h² · f''' + 1e-16/h:
// below 1e-8 for h = 1e-4. What remains is the fp32 error of the gradient
// itself, for which 2e-4 of the parameter's gradient norm is about two thousand
// roundings of its largest element.
TEST_P(WholeModelTest, EveryParametersGradientIsTheCentralDifference) {
  const TrainOptions options = Options();
  const Batch batch = MakeBatch(options);
  OneRankModel model(options);
  Disturb(model);
  ASSERT_TRUE(model.Train({batch}).ok());
  PlainWeights weights = model.Weights();
  // A choice has no gradient: those of the first pass are kept.
  const PlainLosses held =
      RunPlainModel(options.model, weights, batch, PlainPassOf(options));
  constexpr double kStep = 1e-4;
  int checked = 0;
  for (const auto& parameter : model.store().parameters()) {
    const std::vector<double> gradient = model.Gradient(*parameter);
    double norm = 0.0;
    for (double g : gradient) norm += g * g;
    norm = std::sqrt(norm);
    std::vector<double>& values = weights[parameter->name];
    for (int trial = 0; trial < 4; ++trial) {
      const std::vector<double> saved = values;
      std::vector<double> direction(values.size(), 0.0);
      for (size_t i = 0; i < direction.size(); ++i) {
        const uint32_t word = Philox4x32(
            MixKey(9, parameter->name),
            {static_cast<uint32_t>(i), static_cast<uint32_t>(trial), 0, 0})[0];
        // Random signs, unit length.
        direction[i] = (word >> 31 ? 1.0 : -1.0) /
                       std::sqrt(static_cast<double>(direction.size()));
      }
      double expected = 0.0;
      const auto at = [&](double step) {
        for (size_t i = 0; i < values.size(); ++i) {
          values[i] = saved[i] + step * direction[i];
        }
        return Objective(options, weights, batch, held);
      };
      const double difference = (at(kStep) - at(-kStep)) / (2.0 * kStep);
      values = saved;
      for (size_t i = 0; i < direction.size(); ++i) {
        expected += gradient[i] * direction[i];
      }
      EXPECT_NEAR(expected, difference, 2e-4 * norm + 1e-7)
          << parameter->name << " trial " << trial;
      ++checked;
    }
  }
  EXPECT_EQ(checked, 4 * static_cast<int>(model.store().parameters().size()));
}

OverflowOptions Overflow(int64_t experts, bool renormalize,
                         DropPolicy policy = DropPolicy::kPosition,
                         CapacityScope scope = CapacityScope::kMicroBatch) {
  OverflowOptions overflow;
  overflow.no_token_left_behind = experts;
  overflow.renormalize_survivors = renormalize;
  overflow.drop_policy = policy;
  overflow.capacity_scope = scope;
  return overflow;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, WholeModelTest,
    ::testing::Values(Case{"Top2Dropless", 2, "0", {}},
                      Case{"Top1Raw", 1, "0", {}},
                      Case{"Top2Capacity", 2, "1.0", {}},
                      Case{"AllExperts", 4, "0", {}},
                      Case{"Survivors", 2, "0.7", Overflow(0, true), true},
                      Case{"ByProbabilityInSequences", 2, "0.8",
                           Overflow(0, false, DropPolicy::kProbability,
                                    CapacityScope::kSequence)},
                      Case{"Top1Rerouted", 1, "0.6", Overflow(4, false), true},
                      Case{"Top2ReroutedSurvivors", 2, "0.7",
                           Overflow(4, true, DropPolicy::kProbability)}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Networks, WholeModelTest,
    ::testing::Values(
        Case{"MixedLayers", 2, "0", {}, false, MixedLayers},
        Case{"MixedLayersCapacity", 2, "0.7", {}, false, MixedLayers},
        Case{"SharedWithoutGate",
             2,
             "0",
             {},
             false,
             [](ModelConfig& m) { m.feed_forward.n_shared_experts = 2; }},
        Case{"Dense",
             1,
             "0",
             {},
             false,
             [](ModelConfig& m) { m.feed_forward.first_k_dense_replace = 2; }},
        Case{
            "Relu",
            1,
            "0",
            {},
            false,
            [](ModelConfig& m) { TwoMatrices(m, kernels::Activation::kRelu); }},
        Case{
            "Gelu",
            2,
            "0",
            {},
            false,
            [](ModelConfig& m) { TwoMatrices(m, kernels::Activation::kGelu); }},
        Case{
            "Silu",
            2,
            "0",
            {},
            false,
            [](ModelConfig& m) { TwoMatrices(m, kernels::Activation::kSilu); }},
        Case{"GatedGelu",
             2,
             "0",
             {},
             false,
             [](ModelConfig& m) {
               m.feed_forward.activation.function = kernels::Activation::kGelu;
             }},
        Case{"GatedGeluTanh",
             2,
             "0",
             {},
             false,
             [](ModelConfig& m) {
               MixedLayers(m);
               m.feed_forward.activation.function =
                   kernels::Activation::kGeluTanh;
             }}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Attention, WholeModelTest,
    ::testing::Values(Case{.name = "HeadNormWindowBias",
                           .experts_per_token = 2,
                           .capacity_factor = "0",
                           .overflow = {},
                           .attention = {QkNorm::kHead, AttentionBias::kAll, 5},
                           .heads = 4,
                           .kv_heads = 2,
                           .head_dim = 16},
                      Case{.name = "FullNormWindowQkvBias",
                           .experts_per_token = 2,
                           .capacity_factor = "0",
                           .overflow = {},
                           .attention = {QkNorm::kFull, AttentionBias::kQkv, 4},
                           .heads = 4,
                           .kv_heads = 1,
                           .head_dim = 8},
                      Case{
                          .name = "MultiHead",
                          .experts_per_token = 2,
                          .capacity_factor = "1.0",
                          .overflow = {},
                          .attention = {QkNorm::kHead, AttentionBias::kNone, 0},
                          .heads = 3,
                          .kv_heads = 3,
                          .head_dim = 8}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace switchyard::testing
