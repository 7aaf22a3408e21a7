// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/feed_forward_config.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A model of eight layers with more keys.
absl::StatusOr<ModelConfig> Parse(const std::string& keys) {
  return ParseModelConfig(
      absl::StrCat(R"({"hidden_size": 128, "intermediate_size": 96,
        "num_hidden_layers": 8, "num_attention_heads": 4,
        "num_key_value_heads": 2, "num_local_experts": 8,
        "num_experts_per_tok": 2, "vocab_size": 256, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5)",
                   keys.empty() ? "" : ", ", keys, "}"),
      "config.json");
}

std::string MessageOf(const std::string& keys) {
  const absl::StatusOr<ModelConfig> config = Parse(keys);
  return config.ok() ? "accepted" : std::string(config.status().message());
}

TEST(FeedForwardConfig, AllLayersHaveExpertsByDefault) {
  const ModelConfig config = Parse("").value();
  EXPECT_EQ(ExpertLayerCount(config), 8);
  EXPECT_EQ(DenseWidth(config), 96);
  EXPECT_EQ(SharedWidth(config), 0);
  EXPECT_TRUE(config.feed_forward.activation.gated);
}

TEST(FeedForwardConfig, DeepSeeksKeysTellTheLayers) {
  EXPECT_THAT(ExpertLayers(*Parse("\"first_k_dense_replace\": 3")),
              ElementsAre(3, 4, 5, 6, 7));
  EXPECT_THAT(ExpertLayers(*Parse("\"first_k_dense_replace\": 1, "
                                  "\"moe_layer_freq\": 2")),
              ElementsAre(2, 4, 6));
  EXPECT_THAT(ExpertLayers(*Parse("\"first_k_dense_replace\": 8")), IsEmpty());
}

TEST(FeedForwardConfig, QwensKeysTellTheLayers) {
  EXPECT_THAT(ExpertLayers(*Parse("\"decoder_sparse_step\": 2")),
              ElementsAre(1, 3, 5, 7));
  EXPECT_THAT(ExpertLayers(*Parse("\"decoder_sparse_step\": 3, "
                                  "\"mlp_only_layers\": [5, 0]")),
              ElementsAre(2));
  EXPECT_EQ(ExpertLayerCount(*Parse("\"mlp_only_layers\": []")), 8);
}

// Both at their defaults say the same.
TEST(FeedForwardConfig, NeutralKeysOfBothAreAccepted) {
  EXPECT_EQ(ExpertLayerCount(
                *Parse("\"first_k_dense_replace\": 0, \"moe_layer_freq\": 1, "
                       "\"decoder_sparse_step\": 2, \"mlp_only_layers\": []")),
            4);
}

TEST(FeedForwardConfig, WidthsOfFineGrainedAndSharedExperts) {
  const ModelConfig deepseek =
      Parse("\"moe_intermediate_size\": 24, \"n_shared_experts\": 2").value();
  EXPECT_EQ(deepseek.intermediate_size, 24);
  EXPECT_EQ(DenseWidth(deepseek), 96);
  EXPECT_EQ(SharedWidth(deepseek), 48);
  const ModelConfig qwen = Parse(
                               "\"shared_expert_intermediate_size\": 40, "
                               "\"shared_expert_gate\": true")
                               .value();
  EXPECT_EQ(SharedWidth(qwen), 40);
  EXPECT_TRUE(qwen.feed_forward.shared_expert_gate);
}

TEST(FeedForwardConfig, Activations) {
  const std::pair<const char*, kernels::Activation> names[] = {
      {"silu", kernels::Activation::kSilu},
      {"gelu", kernels::Activation::kGelu},
      {"gelu_new", kernels::Activation::kGeluTanh},
      {"gelu_pytorch_tanh", kernels::Activation::kGeluTanh},
      {"relu", kernels::Activation::kRelu},
  };
  for (const auto& [name, function] : names) {
    const ModelConfig config =
        Parse(absl::StrCat("\"hidden_act\": \"", name, "\"")).value();
    EXPECT_EQ(config.feed_forward.activation.function, function) << name;
    const ModelConfig again = ParseModelConfig(ToJson(config), "").value();
    EXPECT_EQ(again.feed_forward.activation.function, function) << name;
  }
}

TEST(FeedForwardConfig, WhatIsWrittenIsReadAgain) {
  const char* keys[] = {
      "",
      "\"first_k_dense_replace\": 3, \"moe_intermediate_size\": 24, "
      "\"n_shared_experts\": 2, \"moe_layer_freq\": 2, "
      "\"is_gated_act\": false, \"hidden_act\": \"relu\", "
      "\"initializer\": \"truncated_normal\", \"initializer_scale\": 0.1, "
      "\"router_aux_loss_coef\": 0.02",
      "\"decoder_sparse_step\": 2, \"mlp_only_layers\": [3], "
      "\"shared_expert_intermediate_size\": 40, \"shared_expert_gate\": true, "
      "\"initializer\": \"truncated_normal\"",
  };
  for (const char* text : keys) {
    const ModelConfig config = Parse(text).value();
    const std::string written = ToJson(config);
    const ModelConfig again = ParseModelConfig(written, "written").value();
    EXPECT_EQ(ToJson(again), written);
    EXPECT_EQ(ExpertLayers(again), ExpertLayers(config));
    EXPECT_EQ(DenseWidth(again), DenseWidth(config));
    EXPECT_EQ(SharedWidth(again), SharedWidth(config));
    EXPECT_EQ(again.balance_loss_coef, config.balance_loss_coef);
    EXPECT_EQ(again.feed_forward.initializer_scale,
              config.feed_forward.initializer_scale);
  }
}

// Hugging Face pools the routers of the layers that have one: c = coef · k / L.
TEST(FeedForwardConfig, ThePooledCoefficientKnowsTheLayersWithExperts) {
  EXPECT_EQ(Parse("\"router_aux_loss_coef\": 0.02")->balance_loss_coef,
            0.02 * 2 / 8);
  EXPECT_EQ(Parse("\"router_aux_loss_coef\": 0.02, "
                  "\"first_k_dense_replace\": 3")
                ->balance_loss_coef,
            0.02 * 2 / 5);
  EXPECT_EQ(Parse("\"router_aux_loss_coef\": 0.02, "
                  "\"first_k_dense_replace\": 8")
                ->balance_loss_coef,
            0.0);
}

TEST(FeedForwardConfig, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"\"first_k_dense_replace\": 1, \"decoder_sparse_step\": 2",
       "found both; remove one pair"},
      {"\"moe_layer_freq\": 2, \"mlp_only_layers\": [1]",
       "found both; remove one pair"},
      {"\"moe_layer_freq\": 0", "\"moe_layer_freq\" between 1"},
      {"\"decoder_sparse_step\": 0", "\"decoder_sparse_step\" between 1"},
      {"\"first_k_dense_replace\": -1", "\"first_k_dense_replace\" between 0"},
      {"\"mlp_only_layers\": [8]", "between 0 and 7 once each, found 8"},
      {"\"mlp_only_layers\": [1, 1]", "found 1 twice"},
      {"\"mlp_only_layers\": 3", "to be a list of layers"},
      {"\"mlp_only_layers\": [-1]", "to be a list of layers"},
      {"\"moe_intermediate_size\": 0", "\"moe_intermediate_size\" between 1"},
      {"\"n_shared_experts\": 1, \"shared_expert_intermediate_size\": 8",
       "found both (1 and 8)"},
      {"\"n_shared_experts\": -1", "\"n_shared_experts\" between 0"},
      {"\"shared_expert_gate\": true", "a shared expert with"},
      {"\"hidden_act\": \"gelu_fast\"", "\"gelu_new\""},
      {"\"initializer\": \"uniform\"", "\"truncated_normal\""},
      {"\"initializer_scale\": 0.1", "\"initializer\" \"truncated_normal\""},
      {"\"initializer\": \"truncated_normal\", \"initializer_scale\": 0",
       "\"initializer_scale\" between"},
  };
  for (const auto& [keys, part] : cases) {
    EXPECT_THAT(MessageOf(keys), HasSubstr(part)) << keys;
  }
}

}  // namespace
}  // namespace switchyard
