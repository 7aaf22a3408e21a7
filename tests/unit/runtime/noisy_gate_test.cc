// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Noisy top-k through the router that has it, against its formula
// (runtime/moe/noisy_gate.h) in double precision.
#include "switchyard/runtime/moe/noisy_gate.h"

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/runtime/moe/router.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard {
namespace {

using testing::RandomValues;
using testing::TestTensor;
using Values = std::vector<double>;

constexpr int64_t kTokens = 10, kExperts = 5, kHidden = 6, kMicroBatch = 3;
constexpr int64_t kStep = 4;
constexpr uint64_t kSeed = 11;
constexpr char kPrefix[] = "model.layers.1.block_sparse_moe";

ModelConfig Model() {
  ModelConfig config;
  config.hidden_size = kHidden;
  config.experts = kExperts;
  config.experts_per_token = 2;
  config.router.renormalize = false;
  config.router.noisy_top_k = true;
  return config;
}

// n of the micro-batch, from the operator that draws it.
Values Noise(uint64_t seed, int64_t step, int64_t micro_batch) {
  CpuDevice device;
  const auto stream = device.NewStream();
  const uint64_t of_step =
      MixKey(MixKey(seed, "noisy top-k"), static_cast<uint64_t>(step));
  TestTensor noise(device, DType::kFloat32, {kTokens * kExperts});
  kernels::Normal(*stream, {.key = MixKey(of_step, kPrefix),
                            .first_element = micro_batch * kTokens * kExperts,
                            .y = noise});
  stream->Wait();
  return noise.Read();
}

struct Inputs {
  Values x = RandomValues(1, kTokens* kHidden);
  Values weight = RandomValues(2, kExperts* kHidden);
  Values noise_weight = RandomValues(3, kExperts* kHidden);
  Values noise = Values(kTokens * kExperts, 0.0);
};

double Dot(const Values& a, int64_t row, const Values& b, int64_t column) {
  double sum = 0.0;
  for (int64_t i = 0; i < kHidden; ++i) {
    sum += a[row * kHidden + i] * b[column * kHidden + i];
  }
  return sum;
}

// softmax(x·Wᵀ + n · softplus(x·W_noiseᵀ)), [tokens, experts].
Values Probabilities(const Inputs& in) {
  Values p;
  for (int64_t t = 0; t < kTokens; ++t) {
    double total = 0.0;
    for (int64_t e = 0; e < kExperts; ++e) {
      const double width =
          std::log1p(std::exp(Dot(in.x, t, in.noise_weight, e)));
      p.push_back(std::exp(Dot(in.x, t, in.weight, e) +
                           in.noise[t * kExperts + e] * width));
      total += p.back();
    }
    for (int64_t e = 0; e < kExperts; ++e) p[t * kExperts + e] /= total;
  }
  return p;
}

class NoisyGateTest : public ::testing::Test {
 protected:
  NoisyGateTest()
      : world_(comm::NewSelfCommunicator()),
        grid_(*Grid::Create(*world_, 1, kExperts)),
        store_(grid_, DType::kFloat32),
        stream_(device_.NewStream()),
        ids_(kTokens, 0),
        valid_(kTokens, 1) {
    TopKRouter::Declare(store_, Model(), kPrefix);
    store_.Allocate(device_);
    store_.Initialize(*stream_, kSeed);
    stream_->Wait();
  }

  void SetWeights() {
    Write(inputs_.weight, ".gate.weight");
    Write(inputs_.noise_weight, ".gate.noise_weight");
  }
  void Write(const Values& values, const char* name) {
    float* to = WeightOf(name).weight.data<float>();
    for (double value : values) *to++ = static_cast<float>(value);
  }
  const Parameter& WeightOf(const char* name) const {
    return store_.Get(std::string(kPrefix) + name);
  }
  Values Gradient(const char* name) const {
    const int64_t* units = WeightOf(name).gradient.sum.data<int64_t>();
    Values values;
    for (int64_t i = 0; i < kExperts * kHidden; ++i) {
      values.push_back(std::ldexp(static_cast<double>(units[i]), -44));
    }
    return values;
  }

  TokenBatch MakeBatch(bool training) const {
    TokenBatch batch;
    batch.ids = {ids_.data(), DType::kInt32, {kTokens}};
    batch.valid = {valid_.data(), DType::kUInt8, {kTokens}};
    batch.micro_batch = kMicroBatch;
    batch.training = training;
    return batch;
  }
  Execution Run() {
    return {*stream_, arena_, arena_, tables_, {}, nullptr, kStep, kSeed};
  }
  Values Read(const ConstTensorView& view) {
    stream_->Wait();
    const float* values = view.data<float>();
    return Values(values, values + view.element_count());
  }

  CpuDevice device_, host_;
  std::unique_ptr<comm::Communicator> world_;
  Grid grid_;
  ParameterStore store_;
  std::unique_ptr<Stream> stream_;
  Arena arena_{device_}, tables_{host_};
  std::vector<int32_t> ids_;
  std::vector<uint8_t> valid_;
  Inputs inputs_;
};

// Dots of six terms below 1, noise below 5 times a softplus below 7: logits
// err by less than 100 roundings of 2^-24, probabilities relatively by as much.
constexpr double kTolerance = 200 * 0x1p-24;

TEST_F(NoisyGateTest, TrainingAddsTheFormulasNoise) {
  SetWeights();
  const TopKRouter router(store_, Model(), kPrefix);
  TestTensor x(device_, DType::kFloat32, {kTokens, kHidden}, inputs_.x);
  const RouterOutput output = router.Forward(Run(), x, MakeBatch(true));
  inputs_.noise = Noise(kSeed, kStep, kMicroBatch);
  const Values expected = Probabilities(inputs_);
  const Values actual = Read(output.probabilities);
  const Values other = Noise(kSeed, kStep, kMicroBatch + 1);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], kTolerance) << i;
    EXPECT_NE(inputs_.noise[i], other[i]) << i;
  }
  // Gates are the noisy probabilities of the two that these choose.
  const int32_t* chosen = output.experts.data<int32_t>();
  const Values gates = Read(output.gates);
  for (int64_t i = 0; i < 2 * kTokens; ++i) {
    EXPECT_EQ(gates[i], actual[i / 2 * kExperts + chosen[i]]);
  }
}

TEST_F(NoisyGateTest, AnEvaluationHasNone) {
  SetWeights();
  const TopKRouter router(store_, Model(), kPrefix);
  TestTensor x(device_, DType::kFloat32, {kTokens, kHidden}, inputs_.x);
  const RouterOutput output = router.Forward(Run(), x, MakeBatch(false));
  EXPECT_FALSE(output.noise_slope.defined());
  const Values expected = Probabilities(inputs_);
  const Values actual = Read(output.probabilities);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], kTolerance) << i;
  }
}

TEST_F(NoisyGateTest, BeginsAtZeroWidth) {
  for (float value : Read(WeightOf(".gate.noise_weight").weight)) {
    EXPECT_EQ(value, 0.0f);
  }
}

// The objective is a weighted sum of the chosen experts' gates. Central
// differences of step 1e-5 in double are exact to 1e-9.
TEST_F(NoisyGateTest, GradientsAreCentralDifferences) {
  SetWeights();
  const TopKRouter router(store_, Model(), kPrefix);
  TestTensor x(device_, DType::kFloat32, {kTokens, kHidden}, inputs_.x);
  const Values weights = RandomValues(5, 2 * kTokens);
  TestTensor dgates(device_, DType::kFloat32, {kTokens, 2}, weights);
  TestTensor dx(device_, DType::kFloat32, {kTokens, kHidden});
  store_.ZeroGradients(*stream_);
  const RouterOutput output = router.Forward(Run(), x, MakeBatch(true));
  RouterGradients gradients;
  gradients.dgates = dgates;
  gradients.batch = MakeBatch(true);
  router.Backward(Run(), x, output, gradients, dx);
  stream_->Wait();

  inputs_.noise = Noise(kSeed, kStep, kMicroBatch);
  const int32_t* chosen = output.experts.data<int32_t>();
  const auto objective = [&] {
    const Values p = Probabilities(inputs_);
    double sum = 0.0;
    for (int64_t i = 0; i < 2 * kTokens; ++i) {
      sum += weights[i] * p[i / 2 * kExperts + chosen[i]];
    }
    return sum;
  };
  const auto expect = [&](Values& variables, const Values& gradient) {
    double norm = 0.0;
    for (size_t i = 0; i < variables.size(); ++i) {
      const double value = variables[i];
      variables[i] = value + 1e-5;
      const double above = objective();
      variables[i] = value - 1e-5;
      const double below = objective();
      variables[i] = value;
      EXPECT_NEAR(gradient[i], (above - below) / 2e-5, 20 * kTolerance) << i;
      norm += gradient[i] * gradient[i];
    }
    EXPECT_GT(norm, 0.01);
  };
  expect(inputs_.x, dx.Read());
  expect(inputs_.weight, Gradient(".gate.weight"));
  expect(inputs_.noise_weight, Gradient(".gate.noise_weight"));
}

}  // namespace
}  // namespace switchyard
