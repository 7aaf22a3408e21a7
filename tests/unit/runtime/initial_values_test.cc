// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How weights begin, by the model's config.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/nn/transformer.h"

namespace switchyard {
namespace {

ModelConfig Model() {
  ModelConfig model;
  model.hidden_size = 64;
  model.intermediate_size = 128;
  model.layers = 1;
  model.heads = 8;
  model.kv_heads = 2;
  model.head_dim = 8;
  model.experts = 2;
  model.experts_per_token = 1;
  model.vocabulary = 400;
  model.rope_theta = 10000.0;
  model.rms_norm_eps = 1e-5f;
  model.initializer_range = 0.02f;
  return model;
}

// Initial weights of the model's parameters on one rank.
class InitialWeights {
 public:
  explicit InitialWeights(const ModelConfig& model)
      : world_(comm::NewSelfCommunicator()),
        grid_(
            Grid::Create(*world_, 1, static_cast<int>(model.experts)).value()),
        store_(grid_, DType::kFloat32) {
    Transformer::Declare(store_, model);
    store_.Allocate(device_);
    const auto stream = device_.NewStream();
    store_.Initialize(*stream, 3);
  }

  const Parameter& Get(const std::string& name) const {
    return store_.Get(name);
  }
  double Deviation(const std::string& name) const {
    double sum = 0.0;
    const Parameter& parameter = Get(name);
    for (int64_t i = 0; i < parameter.element_count(); ++i) {
      sum += std::pow(parameter.weight.data<float>()[i], 2.0);
    }
    return std::sqrt(sum / static_cast<double>(parameter.element_count()));
  }
  double Largest(const std::string& name) const {
    double largest = 0.0;
    const Parameter& parameter = Get(name);
    for (int64_t i = 0; i < parameter.element_count(); ++i) {
      largest = std::max<double>(largest,
                                 std::abs(parameter.weight.data<float>()[i]));
    }
    return largest;
  }

 private:
  CpuDevice device_;
  std::unique_ptr<comm::Communicator> world_;
  Grid grid_;
  ParameterStore store_;
};

constexpr char kExpert[] =
    "model.layers.0.block_sparse_moe.experts.1.w2.weight";  // [64, 128]
constexpr char kHead[] = "lm_head.weight";                  // [400, 64]
constexpr char kEmbedding[] = "model.embed_tokens.weight";

// Deviations of n >= 8192 numbers are within 5 / sqrt(2n) = 4 %.
constexpr double kNear = 0.04;

TEST(InitialValues, NormalOnesAreNotCut) {
  const InitialWeights weights(Model());
  EXPECT_NEAR(weights.Deviation(kExpert), 0.02, kNear * 0.02);
  EXPECT_GT(weights.Largest(kHead), 3 * 0.02);
}

TEST(InitialValues, TruncatedOnesAreCutAtThreeDeviations) {
  ModelConfig model = Model();
  model.feed_forward.initializer = InitialValues::kTruncatedNormal;
  const InitialWeights weights(model);
  for (const char* name : {kExpert, kHead, kEmbedding}) {
    EXPECT_NEAR(weights.Deviation(name), 0.9866 * 0.02, kNear * 0.02) << name;
    EXPECT_LE(weights.Largest(name), 3 * 0.02f * (1 + 1e-6)) << name;
    EXPECT_GT(weights.Largest(name), 2.5 * 0.02) << name;
  }
}

// Where both stay uncut, both draw the same number.
TEST(InitialValues, ACutChangesOnlyWhatIsBeyondIt) {
  ModelConfig model = Model();
  const InitialWeights normal(model);
  model.feed_forward.initializer = InitialValues::kTruncatedNormal;
  const InitialWeights cut(model);
  const Parameter& a = normal.Get(kHead);
  const Parameter& b = cut.Get(kHead);
  for (int64_t i = 0; i < a.element_count(); ++i) {
    const float value = a.weight.data<float>()[i];
    if (std::abs(value) > 3 * 0.02f) continue;
    ASSERT_EQ(b.weight.data<float>()[i], value);
  }
}

TEST(InitialValues, SwitchsScaleIsByFanIn) {
  ModelConfig model = Model();
  model.feed_forward.initializer = InitialValues::kTruncatedNormal;
  model.feed_forward.initializer_scale = 0.1;
  const InitialWeights weights(model);
  const double of_64 = std::sqrt(0.1 / 64), of_128 = std::sqrt(0.1 / 128);
  EXPECT_NEAR(weights.Deviation(kHead), 0.8796 * of_64, kNear * of_64);
  EXPECT_NEAR(weights.Deviation(kExpert), 0.8796 * of_128, kNear * of_128);
  EXPECT_LE(weights.Largest(kExpert), 2 * of_128 * (1 + 1e-6));
  EXPECT_NEAR(weights.Deviation(kEmbedding), 0.8796 * 0.02, kNear * 0.02)
      << "it is looked up, not multiplied";
  const Parameter& norm = weights.Get("model.norm.weight");
  EXPECT_EQ(norm.weight.data<float>()[0], 1.0f);
}

}  // namespace
}  // namespace switchyard
