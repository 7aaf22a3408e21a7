// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// No bit depends on the layout where layers are of several kinds, experts are
// shared and their activations dropped.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

// Dense layers among layers of fine-grained experts with a gated shared one.
TrainOptions MixedRun() {
  TrainOptions options = SmallRun();
  options.steps = 4;
  options.warmup_steps = 0;
  options.expert_dropout = 0.3;
  ModelConfig& model = options.model;
  model.layers = 4;
  model.intermediate_size = 16;
  model.experts = 12;
  model.experts_per_token = 3;
  FeedForwardConfig& f = model.feed_forward;
  f.dense_intermediate_size = 40;
  f.decoder_sparse_step = 2;
  f.mlp_only_layers = {0};
  f.shared_expert_intermediate_size = 24;
  f.shared_expert_gate = true;
  f.initializer = InitialValues::kTruncatedNormal;
  return options;
}

RunRecord MustRun(const Layout& layout, const TrainOptions& options) {
  const absl::StatusOr<RunRecord> record = RunOn(layout, options);
  EXPECT_TRUE(record.ok()) << layout.ToString() << ": " << record.status();
  return record.ok() ? *record : RunRecord();
}

void ExpectSameBits(const TrainOptions& options,
                    const std::vector<Layout>& layouts) {
  const RunRecord expected = MustRun({1, 1, 1}, options);
  ASSERT_EQ(expected.losses.size(), static_cast<size_t>(options.steps));
  EXPECT_NE(expected.checksums.back(), expected.checksums.front());
  for (const Layout& layout : layouts) {
    EXPECT_EQ(Difference(expected, MustRun(layout, options)), "")
        << layout.ToString();
  }
}

const std::vector<Layout> kLayouts = {{1, 1, 2}, {2, 2, 1}, {2, 1, 1},
                                      {3, 3, 1}, {4, 4, 1}, {4, 2, 2}};

class NetworkLayoutTest : public ::testing::TestWithParam<DType> {};

TEST_P(NetworkLayoutTest, MixedLayersWithExpertDropout) {
  TrainOptions options = MixedRun();
  options.dtype = GetParam();
  ExpectSameBits(options, kLayouts);
}

INSTANTIATE_TEST_SUITE_P(DTypes, NetworkLayoutTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

TEST(NetworkLayoutTest, RecomputationMakesTheSameMasks) {
  TrainOptions options = MixedRun();
  const RunRecord expected = MustRun({1, 1, 1}, options);
  options.recompute = Recompute::kBlock;
  EXPECT_EQ(Difference(expected, MustRun({1, 1, 1}, options)), "");
  EXPECT_EQ(Difference(expected, MustRun({2, 2, 1}, options)), "");
}

TEST(NetworkLayoutTest, TheGuardedDeviceSeesNothingStrange) {
  TrainOptions options = MixedRun();
  options.steps = 2;
  const RunRecord expected = MustRun({1, 1, 1}, options);
  EXPECT_EQ(Difference(expected, MustRun({2, 2, 1, true}, options)), "");
}

TEST(NetworkLayoutTest, SwitchWithTwoMatricesAndScaledInitialValues) {
  TrainOptions options = MixedRun();
  FeedForwardConfig& f = options.model.feed_forward;
  f.activation = {kernels::Activation::kRelu, /*gated=*/false};
  f.initializer_scale = 0.1;
  f.shared_expert_intermediate_size = 0;
  f.shared_expert_gate = false;
  options.model.experts_per_token = 1;
  ExpectSameBits(options, {{2, 2, 1}, {3, 1, 1}});
}

TEST(NetworkLayoutTest, ADenseModel) {
  TrainOptions options = MixedRun();
  options.expert_dropout = 0.0;
  FeedForwardConfig& f = options.model.feed_forward;
  f.decoder_sparse_step = 1;
  f.mlp_only_layers = {0, 1, 2, 3};
  ExpectSameBits(options, {{2, 2, 1}, {3, 1, 1}, {2, 1, 1, true}});
}

TEST(NetworkLayoutTest, DropoutMattersInTrainingOnly) {
  TrainOptions options = MixedRun();
  options.steps = 1;
  const RunRecord dropped = MustRun({1, 1, 1}, options);
  options.expert_dropout = 0.0;
  const RunRecord kept = MustRun({1, 1, 1}, options);
  EXPECT_NE(dropped.losses[0], kept.losses[0]);
}

}  // namespace
}  // namespace switchyard::testing
