// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Every balance loss over every scope against a plain one in double precision,
// written as its definition says: a window is one batch. Values, and gradients
// of the whole objective by central differences.
#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/philox.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/one_rank_model.h"
#include "switchyard/tests/support/state_values.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

constexpr double kCoefficient = 0.7;
constexpr double kDeviceCoefficient = 0.5;
constexpr double kCommunicationCoefficient = 0.3;
constexpr int64_t kMicroBatches = 4;

struct Case {
  const char* name;
  BalanceLossKind kind;
  BalanceScope scope;
  bool devices = false;
  void (*edit)(ModelConfig&) = nullptr;
};

// DeepSeek-V3's scores, groups and bias.
void Sigmoid(ModelConfig& m) {
  m.experts = 8;
  m.router.scoring = kernels::RouterScoring::kSigmoid;
  m.router.topk_method = TopKMethod::kNoAuxTc;
  m.router.groups = 4;
  m.router.groups_per_token = 2;
  m.router.selection_bias = true;
  m.router.scaling = 2.5;
}

// As many choices as layers hide a factor of one over the other.
void ThreeChoices(ModelConfig& m) { m.experts_per_token = 3; }

// Tokens that meet fewer devices than there are.
void FewDevices(ModelConfig& m) {
  m.experts = 6;
  m.router.device_groups = 3;
}

// One token of one layer, as a loss sees it.
struct Token {
  const std::vector<double>* probabilities;
  const std::vector<int64_t>* experts;
};
using Tokens = std::vector<Token>;

// Shares of assignments in groups of neighbouring experts, times mean
// probabilities, times the number of groups: 1 at perfect balance.
double Product(const Tokens& tokens, int64_t groups, int64_t choices) {
  std::vector<double> count(groups, 0), mean(groups, 0);
  double all = 0;
  for (const Token& token : tokens) {
    const int64_t experts = static_cast<int64_t>(token.probabilities->size());
    for (int64_t e = 0; e < experts; ++e) {
      mean[e * groups / experts] += (*token.probabilities)[e] / tokens.size();
    }
    for (int64_t j = 0; j < choices; ++j) {
      count[(*token.experts)[j] * groups / experts] += 1;
      all += 1;
    }
  }
  double sum = 0;
  for (int64_t g = 0; g < groups; ++g) sum += count[g] / all * mean[g];
  return groups * sum;
}

double Communication(const Tokens& tokens, int64_t groups, int64_t most) {
  std::vector<double> sent(groups, 0), mean(groups, 0);
  for (const Token& token : tokens) {
    const int64_t experts = static_cast<int64_t>(token.probabilities->size());
    std::set<int64_t> met;
    for (int64_t e : *token.experts) met.insert(e * groups / experts);
    for (int64_t g : met) sent[g] += 1.0 / tokens.size();
    for (int64_t e = 0; e < experts; ++e) {
      mean[e * groups / experts] += (*token.probabilities)[e] / tokens.size();
    }
  }
  double sum = 0;
  for (int64_t g = 0; g < groups; ++g) sum += sent[g] * mean[g];
  return static_cast<double>(groups) / static_cast<double>(most) * sum;
}

class BalanceGradientTest : public ::testing::TestWithParam<Case> {
 protected:
  TrainOptions Options() const {
    TrainOptions options = SmallRun();
    options.micro_batch = 2;
    options.global_batch = options.micro_batch * kMicroBatches;
    options.seq_len = 6;
    options.model.hidden_size = 16;
    options.model.heads = 2;
    options.model.kv_heads = 1;
    options.model.experts = 4;
    options.model.vocabulary = 20;
    options.model.initializer_range = 0.3f;
    options.model.balance_loss_coef = kCoefficient;
    options.model.router_z_loss_coef = 0.0;
    options.balance.loss = GetParam().kind;
    options.balance.scope = GetParam().scope;
    if (GetParam().scope == BalanceScope::kWindow) options.balance.window = 2;
    if (GetParam().devices) {
      options.model.router.device_groups = 2;
      options.model.router.device_groups_per_token = 2;
      options.balance.device_coefficient = kDeviceCoefficient;
      options.balance.communication_coefficient = kCommunicationCoefficient;
    }
    if (GetParam().edit != nullptr) GetParam().edit(options.model);
    return options;
  }

  std::vector<Batch> Batches(const TrainOptions& options) const {
    SyntheticData data(options.model.vocabulary, options.seq_len,
                       options.global_batch);
    std::vector<Batch> batches(kMicroBatches);
    for (int64_t i = 0; i < kMicroBatches; ++i) {
      EXPECT_TRUE(data.Fill(0, i * options.micro_batch, options.micro_batch,
                            &batches[i])
                      .ok());
      // Micro-batches and sequences of unequal weight.
      for (int64_t t = 12 - 2 * i; t < 12; ++t) {
        batches[i].valid[t] = 0;
        batches[i].labels[t] = kNoLabel;
      }
    }
    return batches;
  }

  // Sets of (micro-batch, first token, last) whose statistics are taken
  // together.
  struct Range {
    int64_t batch, begin, end;
  };
  std::vector<std::vector<Range>> Scopes(const TrainOptions& options) const {
    const int64_t tokens = options.micro_batch * options.seq_len;
    std::vector<std::vector<Range>> scopes;
    for (int64_t i = 0; i < kMicroBatches; ++i) {
      switch (options.balance.scope) {
        case BalanceScope::kSequence:
          for (int64_t t = 0; t < tokens; t += options.seq_len) {
            scopes.push_back({{i, t, t + options.seq_len}});
          }
          break;
        case BalanceScope::kMicroBatch:
          scopes.push_back({{i, 0, tokens}});
          break;
        case BalanceScope::kWindow:
        case BalanceScope::kGlobal:
          if (i == 0 ||
              (options.balance.window > 0 && i % options.balance.window == 0)) {
            scopes.emplace_back();
          }
          scopes.back().push_back({i, 0, tokens});
          break;
      }
    }
    return scopes;
  }

  struct Value {
    double raw = 0.0;        // of the chosen loss
    double objective = 0.0;  // all of it, cross-entropy included
  };

  Value Evaluate(const TrainOptions& options, const PlainWeights& weights,
                 const std::vector<Batch>& batches,
                 const std::vector<PlainLosses>& held = {}) const {
    const ModelConfig& model = options.model;
    const bool pooled = options.balance.loss == BalanceLossKind::kHfMixtral;
    std::vector<PlainLosses> plain;
    double loss = 0, labels = 0, valid = 0;
    for (size_t i = 0; i < batches.size(); ++i) {
      const Batch& batch = batches[i];
      PlainPass pass;
      if (!held.empty()) pass.held = &held[i];
      plain.push_back(RunPlainModel(model, weights, batch, pass));
      loss += plain.back().loss_sum;
      for (int32_t label : batch.labels) labels += label != kNoLabel;
      for (uint8_t mark : batch.valid) valid += mark;
    }
    Value value;
    value.objective = loss / labels;
    for (const std::vector<Range>& scope : Scopes(options)) {
      std::vector<Tokens> layers(model.layers);
      Tokens all;
      for (int64_t layer = 0; layer < model.layers; ++layer) {
        for (const Range& range : scope) {
          for (int64_t t = range.begin; t < range.end; ++t) {
            if (batches[range.batch].valid[t] == 0) continue;
            const PlainRouting& routing = plain[range.batch].layers[layer];
            layers[layer].push_back(
                {&routing.probabilities[t], &routing.experts[t]});
            all.push_back(layers[layer].back());
          }
        }
      }
      if (all.empty()) continue;
      const double share = layers[0].size() / valid;
      const int64_t k = model.experts_per_token;
      const int64_t choices =
          options.balance.loss == BalanceLossKind::kGshard ? 1 : k;
      double raw = 0;
      for (const Tokens& layer : layers) {
        raw += Product(layer, model.experts, choices);
        value.objective +=
            share * (options.balance.device_coefficient *
                         Product(layer, model.router.device_groups, k) +
                     options.balance.communication_coefficient *
                         Communication(layer, model.router.device_groups,
                                       model.router.device_groups_per_token));
      }
      double coefficient = kCoefficient;
      if (pooled) {
        raw = k * Product(all, model.experts, k);
        coefficient *= static_cast<double>(model.layers) / k;
      }
      value.raw += share * raw;
      value.objective += share * coefficient * raw;
    }
    return value;
  }
};

// Steps, tolerances and their reasons are those of WholeModelTest.
TEST_P(BalanceGradientTest, AgreesWithThePlainLossAndItsCentralDifference) {
  const TrainOptions options = Options();
  ASSERT_TRUE(Validate(options).ok()) << Validate(options);
  const std::vector<Batch> batches = Batches(options);
  OneRankModel model(options);
  SetStateValues(model.stream(), model.store(), 8);
  ASSERT_TRUE(model.TrainTogether(batches).ok());
  PlainWeights weights = model.Weights();
  // A choice has no gradient: those of the first pass are kept.
  std::vector<PlainLosses> held;
  for (const Batch& batch : batches) {
    held.push_back(RunPlainModel(options.model, weights, batch));
  }
  EXPECT_NEAR(model.statistics().balance(),
              Evaluate(options, weights, batches).raw, 1e-5);
  constexpr double kStep = 1e-4;
  for (const auto& parameter : model.store().parameters()) {
    const std::vector<double> gradient = model.Gradient(*parameter);
    double norm = 0.0, expected = 0.0;
    for (double g : gradient) norm += g * g;
    norm = std::sqrt(norm);
    std::vector<double>& values = weights[parameter->name];
    const std::vector<double> saved = values;
    std::vector<double> direction(values.size(), 0.0);
    for (size_t i = 0; i < direction.size(); ++i) {
      const uint32_t word = Philox4x32(MixKey(9, parameter->name),
                                       {static_cast<uint32_t>(i), 0, 0, 0})[0];
      direction[i] = (word >> 31 ? 1.0 : -1.0) /
                     std::sqrt(static_cast<double>(direction.size()));
      expected += gradient[i] * direction[i];
    }
    const auto at = [&](double step) {
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = saved[i] + step * direction[i];
      }
      return Evaluate(options, weights, batches, held).objective;
    };
    const double difference = (at(kStep) - at(-kStep)) / (2.0 * kStep);
    values = saved;
    EXPECT_NEAR(expected, difference, 2e-4 * norm + 1e-7) << parameter->name;
  }
}

constexpr BalanceLossKind kSwitch = BalanceLossKind::kSwitch;
constexpr BalanceLossKind kGshard = BalanceLossKind::kGshard;
constexpr BalanceLossKind kPooled = BalanceLossKind::kHfMixtral;

INSTANTIATE_TEST_SUITE_P(
    Losses, BalanceGradientTest,
    ::testing::Values(
        Case{"Switch", kSwitch, BalanceScope::kMicroBatch},
        Case{"SwitchSequence", kSwitch, BalanceScope::kSequence},
        Case{"SwitchWindow", kSwitch, BalanceScope::kWindow},
        Case{"SwitchGlobal", kSwitch, BalanceScope::kGlobal},
        Case{"Gshard", kGshard, BalanceScope::kMicroBatch},
        Case{"GshardSequence", kGshard, BalanceScope::kSequence},
        Case{"GshardWindow", kGshard, BalanceScope::kWindow},
        Case{"GshardGlobal", kGshard, BalanceScope::kGlobal},
        Case{"Pooled", kPooled, BalanceScope::kMicroBatch},
        Case{"PooledThreeChoices", kPooled, BalanceScope::kMicroBatch, false,
             ThreeChoices},
        Case{"PooledSequence", kPooled, BalanceScope::kSequence},
        Case{"PooledWindow", kPooled, BalanceScope::kWindow},
        Case{"PooledGlobal", kPooled, BalanceScope::kGlobal},
        Case{"Devices", kSwitch, BalanceScope::kMicroBatch, true},
        Case{"DevicesSequence", kSwitch, BalanceScope::kSequence, true},
        Case{"DevicesWindow", kSwitch, BalanceScope::kWindow, true},
        Case{"DevicesGlobal", kSwitch, BalanceScope::kGlobal, true},
        Case{"FewDevices", kSwitch, BalanceScope::kSequence, true, FewDevices},
        Case{"Sigmoid", kSwitch, BalanceScope::kMicroBatch, false, Sigmoid},
        Case{"SigmoidSequence", kSwitch, BalanceScope::kSequence, false,
             Sigmoid},
        Case{"SigmoidPooled", kPooled, BalanceScope::kWindow, false, Sigmoid}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace switchyard::testing
