// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Invariant A9: fewer heads of keys and values.
#include "switchyard/runtime/checkpoint/conversions/grouped_query.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/storage.h"
#include "switchyard/kernels/rotary_embedding.h"
#include "switchyard/tests/support/checkpoint_run.h"
#include "switchyard/tests/support/random_checkpoint.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

constexpr int64_t kHeads = 8, kHeadDim = 8, kHidden = 24;

ModelConfig Model() {
  ModelConfig config;
  config.family = ModelFamily::kLlama;
  config.hidden_size = kHidden;
  config.intermediate_size = 32;
  config.layers = 2;
  config.heads = config.kv_heads = kHeads;
  config.head_dim = kHeadDim;
  config.experts = config.experts_per_token = 1;
  config.feed_forward.first_k_dense_replace = 2;
  config.vocabulary = 40;
  config.rope_theta = 10000.0;
  config.rms_norm_eps = 1e-5f;
  config.attention.bias = AttentionBias::kAll;
  return config;
}

bool IsKeyOrValue(const std::string& name) {
  return absl::StrContains(name, ".k_proj.") ||
         absl::StrContains(name, ".v_proj.");
}

class GroupedQueryTest : public ::testing::Test {
 protected:
  absl::Status Convert(int64_t kv_heads, GroupMethod method,
                       const std::string& to, uint64_t seed = 0) const {
    auto weights = ModelWeights::Open(Path("in"), WeightsOf::kMaster);
    EXPECT_TRUE(weights.ok()) << weights.status();
    GroupedQueryOptions options;
    options.kv_heads = kv_heads;
    options.method = method;
    options.seed = seed;
    return ConvertToGroupedQuery(**weights, options, Path(to));
  }

  std::string Path(const std::string& name) const {
    return folder_.path() / name;
  }

  const TemporaryFolder folder_;
};

TEST_F(GroupedQueryTest, AsManyHeadsAsBeforeIsTheIdentity) {
  ASSERT_TRUE(WriteRandomCheckpoint(Model(), Path("in")).ok());
  for (const GroupMethod method :
       {GroupMethod::kMean, GroupMethod::kFirst, GroupMethod::kRandom}) {
    const std::string out = "out" + std::to_string(static_cast<int>(method));
    ASSERT_TRUE(Convert(kHeads, method, out).ok());
    EXPECT_EQ(WeightsIn(Path(out)), WeightsIn(Path("in")));
    EXPECT_EQ(ToJson(*ModelOf(Path(out))), ToJson(Model()));
  }
  std::vector<float> heads(4 * 6);
  for (size_t i = 0; i < heads.size(); ++i) heads[i] = 0.1f * i;
  EXPECT_EQ(GroupHeads(heads, 4, 4, GroupMethod::kMean), heads);
}

// Whatever a group's heads have in common is what remains. The products have
// other shapes, so logits of the order of 5 agree to rounding: 1e-5.
TEST_F(GroupedQueryTest, IsExactWhereTheHeadsOfAGroupAreEqual) {
  for (const int64_t kv_heads : {4, 2, 1}) {
    const int64_t group = kHeads / kv_heads;
    const auto repeat = [&](const std::string& name,
                            std::vector<float>& values) {
      if (!IsKeyOrValue(name)) return;
      const size_t head = values.size() / kHeads;
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = values[i / head / group * group * head + i % head];
      }
    };
    const std::string in = Path("in"), out = "out" + std::to_string(kv_heads);
    std::filesystem::remove_all(in);
    ASSERT_TRUE(WriteRandomCheckpoint(Model(), in, repeat).ok());
    ASSERT_TRUE(Convert(kv_heads, GroupMethod::kMean, out).ok());
    EXPECT_EQ(ModelOf(Path(out))->kv_heads, kv_heads);
    const std::map<std::string, std::vector<float>> before = WeightsIn(in);
    for (const auto& [name, values] : WeightsIn(Path(out))) {
      if (!IsKeyOrValue(name)) {
        EXPECT_EQ(values, before.at(name)) << name;
        continue;
      }
      const std::vector<float>& all = before.at(name);
      ASSERT_EQ(values.size() * group, all.size()) << name;
      const size_t head = all.size() / kHeads;
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(values[i], all[i / head * group * head + i % head]) << name;
      }
    }
    const Batch batch = SomeBatch(40, 2, 16);
    const auto expected = RunCheckpoint(in, batch);
    const auto actual = RunCheckpoint(Path(out), batch);
    ASSERT_TRUE(expected.ok() && actual.ok()) << actual.status();
    double largest = 0.0;
    for (size_t i = 0; i < expected->logits.size(); ++i) {
      ASSERT_LE(std::abs(expected->logits[i] - actual->logits[i]), 1e-5);
      largest = std::max(largest, std::abs(expected->logits[i]));
    }
    EXPECT_GT(largest, 1.0);
  }
}

TEST_F(GroupedQueryTest, MeansAndFirstHeadsAreThose) {
  ASSERT_TRUE(WriteRandomCheckpoint(Model(), Path("in")).ok());
  ASSERT_TRUE(Convert(2, GroupMethod::kMean, "mean").ok());
  ASSERT_TRUE(Convert(2, GroupMethod::kFirst, "first").ok());
  const auto before = WeightsIn(Path("in"));
  const auto mean = WeightsIn(Path("mean")), first = WeightsIn(Path("first"));
  for (const char* part :
       {"k_proj.weight", "v_proj.weight", "k_proj.bias", "v_proj.bias"}) {
    const std::string name = std::string("model.layers.1.self_attn.") + part;
    const std::vector<float>& all = before.at(name);
    const size_t head = all.size() / kHeads;
    for (size_t i = 0; i < 2 * head; ++i) {
      const size_t begin = i / head * 4 * head + i % head;
      const double sum = double{all[begin]} + all[begin + head] +
                         all[begin + 2 * head] + all[begin + 3 * head];
      EXPECT_EQ(mean.at(name)[i], static_cast<float>(sum / 4)) << name;
      EXPECT_EQ(first.at(name)[i], all[begin]) << name;
    }
  }
}

// All heads share the weight of a norm of each head.
TEST_F(GroupedQueryTest, NormsOfEachHeadStay) {
  ModelConfig config = Model();
  config.family = ModelFamily::kQwen3;
  config.attention.qk_norm = QkNorm::kHead;
  ASSERT_TRUE(WriteRandomCheckpoint(config, Path("in")).ok());
  ASSERT_TRUE(Convert(2, GroupMethod::kMean, "out").ok());
  const auto before = WeightsIn(Path("in")), after = WeightsIn(Path("out"));
  for (const char* part : {"q_norm.weight", "k_norm.weight", "o_proj.weight"}) {
    const std::string name = std::string("model.layers.1.self_attn.") + part;
    EXPECT_EQ(after.at(name), before.at(name)) << name;
  }
  EXPECT_TRUE(RunCheckpoint(Path("out"), SomeBatch(40, 2, 16)).ok());
}

TEST_F(GroupedQueryTest, RandomHeadsFollowFromTheSeed) {
  ASSERT_TRUE(WriteRandomCheckpoint(Model(), Path("in")).ok());
  ASSERT_TRUE(Convert(2, GroupMethod::kRandom, "a", 1).ok());
  ASSERT_TRUE(Convert(2, GroupMethod::kRandom, "b", 1).ok());
  ASSERT_TRUE(Convert(2, GroupMethod::kRandom, "c", 2).ok());
  const auto a = WeightsIn(Path("a")), b = WeightsIn(Path("b")),
             c = WeightsIn(Path("c")), in = WeightsIn(Path("in"));
  EXPECT_EQ(a, b);
  const std::string keys = "model.layers.0.self_attn.k_proj.weight";
  EXPECT_NE(a.at(keys), c.at(keys));
  EXPECT_EQ(a.at("model.layers.0.self_attn.q_proj.weight"),
            in.at("model.layers.0.self_attn.q_proj.weight"));
  double squares = 0.0;
  for (const float value : a.at(keys)) squares += double{value} * value;
  const double deviation =
      std::sqrt(squares / static_cast<double>(a.at(keys).size()));
  EXPECT_NEAR(deviation, 0.02, 0.005) << "initializer_range";
  for (const float bias : a.at("model.layers.0.self_attn.k_proj.bias")) {
    EXPECT_EQ(bias, 0.0f);
  }
}

TEST_F(GroupedQueryTest, WhatCannotBeIsRefused) {
  ModelConfig config = Model();
  config.attention.qk_norm = QkNorm::kFull;
  ASSERT_TRUE(WriteRandomCheckpoint(config, Path("in")).ok());
  const auto message = [&](int64_t kv_heads) {
    return std::string(Convert(kv_heads, GroupMethod::kMean, "out").message());
  };
  EXPECT_TRUE(absl::StrContains(message(3), "--kv_heads to divide"));
  EXPECT_TRUE(absl::StrContains(message(0), "--kv_heads to divide"));
  EXPECT_TRUE(absl::StrContains(message(16), "--kv_heads to divide"));
  EXPECT_TRUE(absl::StrContains(message(4), "\"qk_norm\" \"full\""));
  EXPECT_EQ(message(8), "");
}

// The keys of 4 heads and 6 positions, rotated.
std::vector<float> Rotated(const std::vector<float>& keys, int64_t heads) {
  constexpr int64_t kPositions = 6;
  CpuDevice device;
  const auto stream = device.NewStream();
  const Shape shape = {kPositions, heads, kHeadDim};
  const Shape table = {kPositions, kHeadDim / 2};
  Storage x(device, DType::kFloat32, shape);
  Storage cos(device, DType::kFloat32, table);
  Storage sin(device, DType::kFloat32, table);
  kernels::RotaryArgs args;
  args.x = x.View(DType::kFloat32, shape);
  kernels::RotaryTable(*stream, 100.0, cos.View(DType::kFloat32, table),
                       sin.View(DType::kFloat32, table));
  args.cos = cos.View(DType::kFloat32, table);
  args.sin = sin.View(DType::kFloat32, table);
  args.sequence_length = kPositions;
  stream->CopyToDevice(args.x, keys.data());
  kernels::Rotate(*stream, args);
  std::vector<float> result(keys.size());
  stream->CopyToHost(result.data(), args.x);
  stream->Wait();
  return result;
}

// Means over heads of each position, [positions, heads, head_dim].
std::vector<float> MeanOfEach(const std::vector<float>& keys, int64_t before,
                              int64_t after) {
  std::vector<float> result;
  const size_t row = static_cast<size_t>(before * kHeadDim);
  for (size_t at = 0; at < keys.size(); at += row) {
    const std::vector<float> one =
        GroupHeads(absl::MakeConstSpan(keys).subspan(at, row), before, after,
                   GroupMethod::kMean);
    result.insert(result.end(), one.begin(), one.end());
  }
  return result;
}

TEST(GroupHeadsTest, MeansCommuteWithTheRotaryEmbedding) {
  std::vector<float> keys(6 * 4 * kHeadDim);
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i] = std::sin(0.7f * static_cast<float>(i * i % 101));
  }
  const std::vector<float> first = MeanOfEach(Rotated(keys, 4), 4, 2);
  const std::vector<float> second = Rotated(MeanOfEach(keys, 4, 2), 2);
  ASSERT_EQ(first.size(), second.size());
  double moved = 0.0;
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_NEAR(first[i], second[i], 1e-6);
    moved = std::max(moved,
                     std::abs(double{second[i]} - MeanOfEach(keys, 4, 2)[i]));
  }
  EXPECT_GT(moved, 0.1) << "nothing was rotated";
}

}  // namespace
}  // namespace switchyard::testing
