// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A Switch layer of one expert multiplies by p = 1 and is a dense feed-forward
// network.
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/one_rank_model.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {
namespace {

TrainOptions Options(kernels::ActivationKind activation) {
  TrainOptions options = SmallRun();
  ModelConfig& model = options.model;
  model.experts = model.experts_per_token = 1;
  model.balance_loss_coef = model.router_z_loss_coef = 0.0;
  model.feed_forward.activation = activation;
  return options;
}

// What the dense network calls the expert's matrix; other names stay.
std::string DenseName(const std::string& name, bool gated) {
  return absl::StrReplaceAll(
      name, {{"block_sparse_moe.experts.0.w1",
              gated ? "mlp.gate_proj" : "mlp.up_proj"},
             {"block_sparse_moe.experts.0.w3", "mlp.up_proj"},
             {"block_sparse_moe.experts.0.w2", "mlp.down_proj"}});
}

bool IsRouter(const Parameter& parameter) {
  return parameter.name.find("block_sparse_moe.gate") != std::string::npos;
}

const Parameter& Find(OneRankModel& model, const std::string& name) {
  return model.store().Get(name);
}

double Norm(const std::vector<double>& values) {
  double sum = 0.0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

class SwitchOfOneExpertTest
    : public ::testing::TestWithParam<kernels::ActivationKind> {};

// Invariant A12a.
TEST_P(SwitchOfOneExpertTest, IsADenseModelForwardAndBackward) {
  const TrainOptions sparse_options = Options(GetParam());
  TrainOptions dense_options = sparse_options;
  dense_options.model.feed_forward.first_k_dense_replace =
      dense_options.model.layers;
  OneRankModel sparse(sparse_options), dense(dense_options);
  for (const auto& parameter : sparse.store().parameters()) {
    if (IsRouter(*parameter)) continue;
    const Parameter& to =
        Find(dense, DenseName(parameter->name, GetParam().gated));
    ASSERT_EQ(to.shape, parameter->shape) << parameter->name;
    const float* from = parameter->weight.data<float>();
    std::copy(from, from + to.element_count(), to.weight.data<float>());
  }
  std::vector<Batch> batches(4);
  SyntheticData data(sparse_options.model.vocabulary, sparse_options.seq_len,
                     sparse_options.global_batch);
  for (int64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(data.Fill(0, 2 * i, 2, &batches[i]).ok());
  }
  ASSERT_TRUE(sparse.Train(batches).ok());
  ASSERT_TRUE(dense.Train(batches).ok());
  const double loss = sparse.statistics().loss_sum();
  EXPECT_NEAR(dense.statistics().loss_sum(), loss, 1e-6 * loss);

  int compared = 0;
  for (const auto& parameter : sparse.store().parameters()) {
    const std::vector<double> expected = sparse.Gradient(*parameter);
    if (IsRouter(*parameter)) {
      EXPECT_EQ(Norm(expected), 0.0) << "p does not depend on it";
      continue;
    }
    std::vector<double> difference = dense.Gradient(
        Find(dense, DenseName(parameter->name, GetParam().gated)));
    for (size_t i = 0; i < expected.size(); ++i) difference[i] -= expected[i];
    EXPECT_GT(Norm(expected), 0.0) << parameter->name;
    EXPECT_LE(Norm(difference), 1e-6 * Norm(expected)) << parameter->name;
    ++compared;
  }
  EXPECT_EQ(compared, static_cast<int>(dense.store().parameters().size()));
}

INSTANTIATE_TEST_SUITE_P(
    Activations, SwitchOfOneExpertTest,
    ::testing::Values(kernels::ActivationKind{kernels::Activation::kSilu, true},
                      kernels::ActivationKind{kernels::Activation::kRelu,
                                              false}),
    [](const auto& info) {
      return std::string(info.param.gated ? "SwiGlu" : "Relu");
    });

}  // namespace
}  // namespace switchyard::testing
