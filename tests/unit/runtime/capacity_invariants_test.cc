// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a capacity promises of one layer: an expert gets min(count, C) rows, and
// a token that lost all its experts is left to the residual.
#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/moe/moe_layer.h"

namespace switchyard {
namespace {

constexpr int64_t kSequences = 4;
constexpr int64_t kLength = 32;
constexpr int64_t kTokens = kSequences * kLength;
constexpr int64_t kHidden = 16;
constexpr int64_t kPadding = 5;  // at the end of the last sequence

ModelConfig Model(int64_t experts_per_token) {
  ModelConfig model;
  model.hidden_size = kHidden;
  model.intermediate_size = 24;
  model.experts = 8;
  model.experts_per_token = experts_per_token;
  model.initializer_range = 0.5f;
  return model;
}

// One layer on one rank, and what it makes of random tokens.
class Layer {
 public:
  Layer(const ModelConfig& model, const OverflowRule& rule)
      : world_(comm::NewSelfCommunicator()),
        grid_(*Grid::Create(*world_, 1, static_cast<int>(model.experts))),
        stream_(device_.NewStream()),
        arena_(device_),
        decisions_(device_),
        tables_(device_),
        store_(grid_, DType::kFloat32),
        valid_(kTokens, 1) {
    MoeLayer::Declare(store_, model, "model.layers.0");
    store_.Allocate(device_);
    store_.Initialize(*stream_, /*seed=*/3);
    MoeOptions options;
    options.overflow = rule;
    layer_ = std::make_unique<MoeLayer>(store_, grid_, model, options, 0,
                                        "model.layers.0");
    std::fill(valid_.end() - kPadding, valid_.end(), 0);
    for (int64_t i = 0; i < kTokens * kHidden; ++i) {
      const uint32_t word =
          Philox4x32(4, {static_cast<uint32_t>(i), 0, 0, 0})[0];
      input_.push_back(static_cast<float>(word % 2001) / 1000.0f - 1.0f);
    }
    Run();
  }

  const Routing& routing() const { return decision_.routing; }
  bool valid(int64_t t) const { return valid_[t] == 1; }
  int32_t expert(int64_t t, int64_t j) const {
    return decision_.router.experts.data<int32_t>()[t * choices() + j];
  }
  bool kept(int64_t t, int64_t j) const {
    return routing().rows.data<int32_t>()[t * choices() + j] >= 0;
  }
  int64_t choices() const { return decision_.router.experts.dim(1); }
  const std::vector<float>& output() const { return output_; }

 private:
  void Run() {
    const Execution run{*stream_, arena_, decisions_, tables_, {}, nullptr, 0};
    const ConstTensorView input(input_.data(), DType::kFloat32,
                                {kTokens, kHidden});
    TokenBatch batch;
    batch.valid = ConstTensorView(valid_.data(), DType::kUInt8, {kTokens});
    batch.training = true;
    auto decision = layer_->Decide(run, input, batch);
    ASSERT_TRUE(decision.ok()) << decision.status();
    decision_ = *decision;
    const TensorView output = run.New(DType::kFloat32, {kTokens, kHidden});
    ASSERT_TRUE(layer_->Forward(run, decision_, input, output).ok());
    stream_->Wait();
    output_.assign(output.data<float>(),
                   output.data<float>() + kTokens * kHidden);
  }

  CpuDevice device_;
  std::unique_ptr<comm::Communicator> world_;
  Grid grid_;
  std::unique_ptr<Stream> stream_;
  Arena arena_, decisions_, tables_;
  ParameterStore store_;
  std::vector<uint8_t> valid_;
  std::vector<float> input_, output_;
  std::unique_ptr<MoeLayer> layer_;
  MoeLayer::Decision decision_;
};

struct Case {
  const char* name;
  int64_t experts_per_token;
  OverflowRule rule;
};

class CapacityInvariantsTest : public ::testing::TestWithParam<Case> {};

// Invariant A5.
TEST_P(CapacityInvariantsTest, DispatchedIsTheSumOfMinCountAndCapacity) {
  const Case& c = GetParam();
  const Layer layer(Model(c.experts_per_token), c.rule);
  const int64_t scope = c.rule.scope_tokens == 0 ? kTokens : kLength;
  std::vector<int64_t> expected(8, 0);
  int64_t all = 0;
  for (int64_t begin = 0; begin < kTokens; begin += scope) {
    std::vector<int64_t> counts(8, 0);
    for (int64_t t = begin; t < begin + scope; ++t) {
      for (int64_t j = 0; j < layer.choices(); ++j) {
        counts[layer.expert(t, j)] += layer.valid(t);
      }
    }
    for (int e = 0; e < 8; ++e) {
      expected[e] += std::min(counts[e], c.rule.capacity);
      all += counts[e];
    }
  }
  const int64_t dispatched =
      std::accumulate(expected.begin(), expected.end(), int64_t{0});
  EXPECT_LT(dispatched, all) << "nothing was dropped";
  EXPECT_EQ(layer.routing().received_rows, dispatched);
  for (int e = 0; e < 8; ++e) {
    EXPECT_EQ(layer.routing().kept[e], expected[e]) << e;
    EXPECT_EQ(layer.routing().assigned[e] - layer.routing().over_capacity[e],
              expected[e])
        << e;
  }
}

// Invariant A5: what remains of such a token is the residual.
TEST_P(CapacityInvariantsTest, TheOutputOfATokenThatLostAllIsExactlyZero) {
  const Case& c = GetParam();
  const Layer layer(Model(c.experts_per_token), c.rule);
  std::vector<int32_t> lost(8, 0);
  for (int64_t t = 0; t < kTokens; ++t) {
    bool any = false;
    for (int64_t j = 0; j < layer.choices(); ++j) any |= layer.kept(t, j);
    const float* y = layer.output().data() + t * kHidden;
    const bool zero =
        std::all_of(y, y + kHidden, [](float value) { return value == 0.0f; });
    EXPECT_EQ(zero, !any) << "token " << t;
    if (layer.valid(t) && !any) ++lost[layer.expert(t, 0)];
  }
  for (int e = 0; e < 8; ++e) {
    EXPECT_EQ(layer.routing().lost_tokens[e], lost[e]) << e;
  }
  EXPECT_GT(std::accumulate(lost.begin(), lost.end(), 0), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, CapacityInvariantsTest,
    ::testing::Values(
        Case{"Top1", 1, {.capacity = 10}}, Case{"Top2", 2, {.capacity = 12}},
        Case{"Sequences", 2, {.capacity = 3, .scope_tokens = kLength}},
        Case{"ByProbability",
             2,
             {.capacity = 12, .policy = DropPolicy::kProbability}},
        Case{"Survivors", 2, {.capacity = 12, .renormalize_survivors = true}}),
    [](const auto& info) { return info.param.name; });

// Among the first choices of a full expert, the surest tokens have the places.
TEST(CapacityTest, BatchPrioritisedRoutingDropsTheLeastSure) {
  const Layer by_position(Model(1), {.capacity = 10});
  const Layer by_probability(
      Model(1), {.capacity = 10, .policy = DropPolicy::kProbability});
  int64_t differ = 0;
  for (int64_t t = 0; t < kTokens; ++t) {
    differ += by_position.kept(t, 0) != by_probability.kept(t, 0);
  }
  EXPECT_GT(differ, 0);
  EXPECT_EQ(by_position.routing().received_rows,
            by_probability.routing().received_rows);
}

TEST(CapacityTest, NoTokenIsLeftBehindWhileThereIsRoom) {
  // 8 experts with 16 places each for 123 tokens.
  const OverflowRule drop{.capacity = kTokens / 8};
  OverflowRule reroute = drop;
  reroute.more_experts = 7;
  const Layer dropped(Model(1), drop);
  const Layer rerouted(Model(1), reroute);
  EXPECT_LT(dropped.routing().received_rows, kTokens - kPadding);
  EXPECT_EQ(rerouted.routing().received_rows, kTokens - kPadding);
  int64_t over = 0;
  for (int e = 0; e < 8; ++e) {
    EXPECT_EQ(rerouted.routing().assigned[e], dropped.routing().assigned[e]);
    EXPECT_EQ(rerouted.routing().over_capacity[e],
              dropped.routing().over_capacity[e]);
    EXPECT_EQ(rerouted.routing().rerouted[e],
              rerouted.routing().over_capacity[e]);
    EXPECT_EQ(rerouted.routing().lost_tokens[e], 0);
    EXPECT_LE(rerouted.routing().kept[e], drop.capacity);
    over += rerouted.routing().over_capacity[e];
  }
  EXPECT_GT(over, 0);
}

}  // namespace
}  // namespace switchyard
