// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Invariant A12: a dense model as a mixture of experts.
#include "switchyard/runtime/checkpoint/conversions/upcycling.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/checkpoint/hugging_face/convert.h"
#include "switchyard/tests/support/checkpoint_run.h"
#include "switchyard/tests/support/random_checkpoint.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

ModelConfig Dense(ModelFamily family) {
  ModelConfig config;
  config.family = family;
  config.hidden_size = 24;
  config.intermediate_size = 32;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 8;
  config.experts = config.experts_per_token = 1;
  config.feed_forward.first_k_dense_replace = 2;
  config.vocabulary = 40;
  config.rope_theta = 10000.0;
  config.rms_norm_eps = 1e-5f;
  config.attention.qk_norm = FactsOf(family).qk_norm;
  return config;
}

class UpcyclingTest : public ::testing::TestWithParam<ModelFamily> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteRandomCheckpoint(Dense(GetParam()), Path("in")).ok());
  }

  absl::Status Convert(const UpcyclingOptions& options,
                       const std::string& to) const {
    auto weights = ModelWeights::Open(Path("in"), WeightsOf::kMaster);
    EXPECT_TRUE(weights.ok()) << weights.status();
    return Upcycle(**weights, options, Path(to));
  }

  std::string Path(const std::string& name) const {
    return folder_.path() / name;
  }

  // The largest difference of the logits to the dense model's.
  double Difference(const std::string& to, int ranks = 1) const {
    const Batch batch = SomeBatch(40, 2, 16);
    const auto expected = RunCheckpoint(Path("in"), batch);
    const auto actual = RunCheckpoint(Path(to), batch, {.ranks = ranks});
    EXPECT_TRUE(expected.ok() && actual.ok()) << actual.status();
    if (!expected.ok() || !actual.ok()) return NAN;
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < expected->logits.size(); ++i) {
      const double difference =
          std::abs(expected->logits[i] - actual->logits[i]);
      worst = difference <= worst ? worst : difference;  // NaN stays
      largest = std::max(largest, std::abs(expected->logits[i]));
    }
    EXPECT_GT(largest, 1.0);
    return worst;
  }

  const TemporaryFolder folder_;
};

// Gates that add up to 1 make equal experts one; they do so to rounding.
TEST_P(UpcyclingTest, BeginsWhereTheDenseModelIs) {
  for (const int64_t every : {1, 2}) {
    UpcyclingOptions options;
    options.experts = 4;
    options.every = every;
    const std::string out = absl::StrCat("out", every);
    ASSERT_TRUE(Convert(options, out).ok());
    EXPECT_EQ(ExpertLayerCount(*ModelOf(Path(out))), 2 / every);
    EXPECT_TRUE(ModelOf(Path(out))->renormalizes_gates());
    EXPECT_LE(Difference(out), 1e-5);
    EXPECT_LE(Difference(out, /*ranks=*/2), 1e-5);
  }
}

TEST_P(UpcyclingTest, ASingleRawChoiceBeginsElsewhere) {
  UpcyclingOptions options;
  options.experts = 4;
  options.experts_per_token = 1;
  ASSERT_TRUE(Convert(options, "out").ok());
  EXPECT_FALSE(ModelOf(Path("out"))->renormalizes_gates());
  const double difference = Difference("out");
  RecordProperty("largest_difference_of_logits", absl::StrCat(difference));
  EXPECT_GT(difference, 0.1);
}

TEST_P(UpcyclingTest, NoiseTellsExpertsApartAndIsSmall) {
  UpcyclingOptions options;
  options.experts = 3;
  options.noise = 0.01;
  options.seed = 7;
  ASSERT_TRUE(Convert(options, "out").ok());
  const auto dense = WeightsIn(Path("in")), mixture = WeightsIn(Path("out"));
  const std::vector<float>& source =
      dense.at("model.layers.1.mlp.up_proj.weight");
  std::vector<std::vector<float>> noise;
  for (int expert = 0; expert < 3; ++expert) {
    std::vector<float> own = mixture.at(absl::StrCat(
        "model.layers.1.block_sparse_moe.experts.", expert, ".w3.weight"));
    double squares = 0.0;
    for (size_t i = 0; i < own.size(); ++i) {
      own[i] -= source[i];
      squares += double{own[i]} * own[i];
    }
    // 768 numbers: their deviation is known to 2.6 %.
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(own.size())), 0.01,
                0.0015);
    noise.push_back(own);
  }
  EXPECT_NE(noise[0], noise[1]);
  EXPECT_NE(noise[1], noise[2]);
  EXPECT_GT(Difference("out"), 1e-4);
}

TEST_P(UpcyclingTest, RoutersBeginAsInANewModel) {
  UpcyclingOptions options;
  options.experts = 16;
  options.seed = 3;
  ASSERT_TRUE(Convert(options, "a").ok());
  ASSERT_TRUE(Convert(options, "b").ok());
  options.seed = 4;
  ASSERT_TRUE(Convert(options, "c").ok());
  const std::string name = "model.layers.0.block_sparse_moe.gate.weight";
  const std::vector<float> a = WeightsIn(Path("a")).at(name);
  EXPECT_EQ(a, WeightsIn(Path("b")).at(name));
  EXPECT_NE(a, WeightsIn(Path("c")).at(name));
  double squares = 0.0;
  for (const float value : a) squares += double{value} * value;
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(a.size())), 0.02, 0.004);
}

TEST_P(UpcyclingTest, TheMixtureIsOneOfHuggingFace) {
  UpcyclingOptions options;
  options.experts = 4;
  ASSERT_TRUE(Convert(options, "out").ok());
  const auto report =
      ToHuggingFace(Path("out"), Path("hf"), std::nullopt, 1 << 30);
  EXPECT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(FromHuggingFace(Path("hf"), Path("back"), std::nullopt, "").ok());
  EXPECT_EQ(WeightsIn(Path("back")), WeightsIn(Path("out")));
}

TEST_P(UpcyclingTest, WhatCannotBeIsRefused) {
  const auto message = [&](const UpcyclingOptions& options) {
    return std::string(Convert(options, "no").message());
  };
  UpcyclingOptions options;
  EXPECT_TRUE(absl::StrContains(message(options),
                                "--experts between 1 and 4096, found 0"));
  options.experts = 4;
  options.experts_per_token = 5;
  EXPECT_TRUE(absl::StrContains(
      message(options), "--top_k between 1 and the 4 of --experts, found 5"));
  options.experts_per_token = 2;
  options.every = 3;
  EXPECT_TRUE(absl::StrContains(message(options), "--every between 1 and"));
  options.every = 1;
  for (const double noise : {-1.0, 1.5, 1e300}) {
    options.noise = noise;
    EXPECT_TRUE(absl::StrContains(message(options), "--noise between 0 and 1"));
  }
  options.noise = 0.0;
  ASSERT_TRUE(Convert(options, "out").ok());
  const auto again = UpcycledConfig(*ModelOf(Path("out")), options);
  EXPECT_TRUE(absl::StrContains(again.status().message(), "a dense model"));
}

INSTANTIATE_TEST_SUITE_P(Families, UpcyclingTest,
                         ::testing::Values(ModelFamily::kLlama,
                                           ModelFamily::kMistral,
                                           ModelFamily::kQwen3),
                         [](const auto& info) {
                           return std::string(FactsOf(info.param).model_type);
                         });

}  // namespace
}  // namespace switchyard::testing
