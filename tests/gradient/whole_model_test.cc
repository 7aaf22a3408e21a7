// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The gradient of the whole model, of every parameter, against central
// differences of a plain model in double precision.
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/philox.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/one_rank_model.h"
#include "switchyard/tests/support/plain_model.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

struct Case {
  const char* name;
  int64_t experts_per_token;
  const char* capacity_factor;
  OverflowOptions overflow;  // but for the factor
  bool loses_tokens = false;
  void (*edit)(ModelConfig&) = nullptr;
  AttentionConfig attention = {};
  int64_t heads = 2, kv_heads = 1, head_dim = 8;
};

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

class WholeModelTest : public ::testing::TestWithParam<Case> {
 protected:
  TrainOptions Options() const {
    TrainOptions options = SmallRun();
    options.global_batch = options.micro_batch = 2;
    options.seq_len = 12;
    options.model.hidden_size = 16;
    options.model.heads = GetParam().heads;
    options.model.kv_heads = GetParam().kv_heads;
    options.model.head_dim = GetParam().head_dim;
    options.model.attention = GetParam().attention;
    options.model.experts = 4;
    options.model.vocabulary = 20;
    options.model.initializer_range = 0.3f;
    options.model.experts_per_token = GetParam().experts_per_token;
    options.overflow = GetParam().overflow;
    if (GetParam().edit != nullptr) GetParam().edit(options.model);
    options.overflow.capacity_factor =
        *CapacityFactor::Parse(GetParam().capacity_factor);
    return options;
  }

  Batch MakeBatch(const TrainOptions& options) const {
    SyntheticData data(options.model.vocabulary, options.seq_len, 2);
    Batch batch;
    EXPECT_TRUE(data.Fill(0, 0, 2, &batch).ok());
    batch.labels[3] = kNoLabel;
    for (int64_t t = 20; t < 24; ++t) {
      batch.valid[t] = 0;
      batch.labels[t] = kNoLabel;
    }
    return batch;
  }

  double Objective(const TrainOptions& options, const PlainWeights& weights,
                   const Batch& batch) const {
    const PlainLosses losses =
        RunPlainModel(options.model, weights, batch,
                      OverflowRuleOf(options, /*training=*/true));
    return losses.loss_sum / kLabels +
           options.model.balance_loss_coef * losses.balance +
           options.model.router_z_loss_coef * losses.z;
  }

  // Norms are not 1 and biases not 0, as after some steps.
  void Disturb(OneRankModel& model) const {
    const AttentionConfig& attention = GetParam().attention;
    if (attention.qk_norm == QkNorm::kNone && !attention.qkv_bias()) return;
    for (const auto& parameter : model.store().parameters()) {
      if (!parameter->is_norm && !parameter->is_bias) continue;
      float* values = parameter->weight.data<float>();
      for (int64_t i = 0; i < parameter->element_count(); ++i) {
        const uint32_t word = Philox4x32(
            MixKey(8, parameter->name), {static_cast<uint32_t>(i), 0, 0, 0})[0];
        values[i] += static_cast<float>(word) * 0x1p-33f - 0.25f;
      }
    }
  }

  static constexpr double kLabels = 19.0;  // of MakeBatch
};

TEST_P(WholeModelTest, LossesAgreeWithThePlainModel) {
  const TrainOptions options = Options();
  const Batch batch = MakeBatch(options);
  OneRankModel model(options);
  Disturb(model);
  ASSERT_TRUE(model.Train({batch}).ok());
  const PlainLosses expected =
      RunPlainModel(options.model, model.Weights(), batch,
                    OverflowRuleOf(options, /*training=*/true));
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
        return Objective(options, weights, batch);
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
