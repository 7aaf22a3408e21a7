// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Files as the families' published models have them: their keys and defaults.
#include "switchyard/runtime/nn/model_family.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;

constexpr char kQwen3Moe[] = R"({
  "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false,
  "attention_dropout": 0.0, "bos_token_id": 151643, "decoder_sparse_step": 1,
  "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
  "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 6144,
  "max_position_embeddings": 40960, "max_window_layers": 48,
  "mlp_only_layers": [], "model_type": "qwen3_moe",
  "moe_intermediate_size": 768, "norm_topk_prob": true,
  "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8,
  "num_hidden_layers": 48, "num_key_value_heads": 4,
  "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
  "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001,
  "sliding_window": null, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
  "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})";

constexpr char kOlmoe[] = R"({
  "architectures": ["OlmoeForCausalLM"], "attention_bias": false,
  "attention_dropout": 0.0, "clip_qkv": null, "eos_token_id": 50279,
  "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
  "intermediate_size": 1024, "max_position_embeddings": 4096,
  "model_type": "olmoe", "norm_topk_prob": false, "num_attention_heads": 16,
  "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 16,
  "num_key_value_heads": 16, "output_router_logits": false,
  "pad_token_id": 1, "rope_scaling": null, "rope_theta": 10000.0,
  "router_aux_loss_coef": 0.01, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "transformers_version": "4.43.0.dev0",
  "use_cache": true, "vocab_size": 50304})";

constexpr char kLlama[] = R"({
  "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
  "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
  "intermediate_size": 11008, "max_position_embeddings": 4096,
  "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
  "pad_token_id": 0, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
  "rope_scaling": null, "tie_word_embeddings": false,
  "torch_dtype": "float16", "transformers_version": "4.31.0.dev0",
  "use_cache": true, "vocab_size": 32000})";

constexpr char kMistral[] = R"({
  "architectures": ["MistralForCausalLM"], "bos_token_id": 1,
  "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
  "initializer_range": 0.02, "intermediate_size": 14336,
  "max_position_embeddings": 32768, "model_type": "mistral",
  "num_attention_heads": 32, "num_hidden_layers": 32,
  "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
  "sliding_window": 4096, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "transformers_version": "4.34.0.dev0",
  "use_cache": true, "vocab_size": 32000})";

constexpr char kQwen3[] = R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
  "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
  "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
  "intermediate_size": 12288, "max_position_embeddings": 40960,
  "max_window_layers": 36, "model_type": "qwen3", "num_attention_heads": 32,
  "num_hidden_layers": 36, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
  "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "transformers_version": "4.51.0", "use_cache": true,
  "use_sliding_window": false, "vocab_size": 151936})";

ModelConfig Parse(const std::string& text) {
  const auto config = ParseModelConfig(text, "config.json");
  EXPECT_TRUE(config.ok()) << config.status();
  if (!config.ok()) return ModelConfig();
  // What is written is the same config.
  const auto again = ParseModelConfig(ToJson(*config), "written");
  EXPECT_TRUE(again.ok()) << again.status();
  if (again.ok()) {
    EXPECT_EQ(ToJson(*again), ToJson(*config));
    EXPECT_EQ(again->family, config->family);
    EXPECT_EQ(again->attention.qk_norm, config->attention.qk_norm);
    EXPECT_EQ(again->attention.window, config->attention.window);
    EXPECT_EQ(again->renormalizes_gates(), config->renormalizes_gates());
    EXPECT_EQ(ExpertLayers(*again), ExpertLayers(*config));
    EXPECT_EQ(DenseWidth(*again), DenseWidth(*config));
  }
  return *config;
}

std::string Without(absl::string_view text, const std::string& key) {
  std::string result(text);
  const size_t begin = result.find(absl::StrCat("\"", key, "\""));
  EXPECT_NE(begin, std::string::npos) << key;
  const size_t end = result.find(',', begin);
  return result.erase(begin, end + 1 - begin);
}

std::string With(absl::string_view text, const std::string& key,
                 const std::string& value) {
  std::string result(text);
  if (result.find(absl::StrCat("\"", key, "\"")) != std::string::npos) {
    result = Without(text, key);
  }
  return result.insert(1, absl::StrCat("\"", key, "\": ", value, ", "));
}

std::string MessageOf(const std::string& text) {
  return std::string(ParseModelConfig(text, "config.json").status().message());
}

TEST(ModelFamilyTest, Qwen3Moe) {
  const ModelConfig config = Parse(kQwen3Moe);
  EXPECT_EQ(config.family, ModelFamily::kQwen3Moe);
  EXPECT_EQ(config.attention.qk_norm, QkNorm::kHead);
  EXPECT_EQ(config.intermediate_size, 768);
  EXPECT_EQ(DenseWidth(config), 6144);
  EXPECT_EQ(config.experts, 128);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_TRUE(config.renormalizes_gates());
  EXPECT_EQ(ExpertLayerCount(config), 48);
  EXPECT_EQ(config.attention.window, 0);
  // The class's own defaults.
  EXPECT_FALSE(
      Parse(Without(kQwen3Moe, "norm_topk_prob")).renormalizes_gates());
  EXPECT_EQ(Parse(Without(kQwen3Moe, "head_dim")).head_dim, 64);
  EXPECT_EQ(Parse(Without(kQwen3Moe, "rms_norm_eps")).rms_norm_eps, 1e-6f);
  EXPECT_EQ(Parse(Without(kQwen3Moe, "rope_theta")).rope_theta, 1e4);
  EXPECT_EQ(Parse(Without(kQwen3Moe, "max_position_embeddings"))
                .max_position_embeddings,
            32768);
  // A window counts only where it is switched on.
  const std::string window = With(kQwen3Moe, "sliding_window", "4096");
  EXPECT_EQ(Parse(window).attention.window, 0);
  EXPECT_EQ(Parse(Without(window, "use_sliding_window")).attention.window, 0);
  EXPECT_EQ(ExpertLayers(Parse(With(kQwen3Moe, "decoder_sparse_step", "16"))),
            (std::vector<int>{15, 31, 47}));
  EXPECT_THAT(MessageOf(Without(kQwen3Moe, "moe_intermediate_size")),
              HasSubstr("the key \"moe_intermediate_size\", found none"));
  EXPECT_THAT(MessageOf(Without(kQwen3Moe, "num_experts")),
              HasSubstr("the key \"num_experts\", found none"));
}

TEST(ModelFamilyTest, Olmoe) {
  const ModelConfig config = Parse(kOlmoe);
  EXPECT_EQ(config.family, ModelFamily::kOlmoe);
  EXPECT_EQ(config.attention.qk_norm, QkNorm::kFull);
  EXPECT_FALSE(config.renormalizes_gates());
  EXPECT_EQ(config.rms_norm_eps, 1e-5f);
  EXPECT_DOUBLE_EQ(config.balance_loss_coef, 0.01 * 8 / 16);
  EXPECT_EQ(Parse(Without(kOlmoe, "num_key_value_heads")).kv_heads, 16);
  EXPECT_FALSE(Parse(Without(kOlmoe, "norm_topk_prob")).renormalizes_gates());
  EXPECT_THAT(MessageOf(With(kOlmoe, "clip_qkv", "8.0")),
              HasSubstr("\"clip_qkv\" to be null, found 8.0"));
}

TEST(ModelFamilyTest, Llama) {
  const ModelConfig config = Parse(kLlama);
  EXPECT_EQ(config.family, ModelFamily::kLlama);
  EXPECT_EQ(config.kv_heads, 32);
  EXPECT_EQ(config.rope_theta, 1e4);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(ExpertLayerCount(config), 0);
  EXPECT_EQ(DenseWidth(config), 11008);
  EXPECT_EQ(config.attention.window, 0);
  EXPECT_EQ(Parse(With(kLlama, "attention_bias", "true")).attention.bias,
            AttentionBias::kAll);
  // As smaller models' files have them.
  Parse(With(With(kLlama, "is_llama_config", "true"), "rope_interleaved",
             "false"));
  EXPECT_THAT(MessageOf(With(kLlama, "rope_interleaved", "true")),
              HasSubstr("\"rope_interleaved\" to be false"));
  EXPECT_THAT(MessageOf(With(kLlama, "mlp_bias", "true")),
              HasSubstr("\"mlp_bias\" to be false, found true"));
  EXPECT_THAT(
      MessageOf(With(kLlama, "rope_scaling", R"({"rope_type": "llama3"})")),
      HasSubstr("\"rope_scaling\" to be null"));
  EXPECT_THAT(MessageOf(With(kLlama, "num_experts_per_tok", "2")),
              HasSubstr("no \"num_experts_per_tok\" with \"model_type\""));
  EXPECT_THAT(MessageOf(With(kLlama, "balance_loss_coef", "0.01")),
              HasSubstr("whose layers are dense"));
}

TEST(ModelFamilyTest, Mistral) {
  EXPECT_EQ(Parse(kMistral).attention.window, 4096);
  EXPECT_EQ(Parse(Without(kMistral, "sliding_window")).attention.window, 4096);
  EXPECT_EQ(Parse(With(kMistral, "sliding_window", "null")).attention.window,
            0);
  EXPECT_EQ(Parse(kMistral).kv_heads, 8);
  EXPECT_THAT(MessageOf(Without(kMistral, "num_key_value_heads")),
              HasSubstr("\"num_key_value_heads\", found none"));
}

TEST(ModelFamilyTest, Qwen3) {
  const ModelConfig config = Parse(kQwen3);
  EXPECT_EQ(config.attention.qk_norm, QkNorm::kHead);
  EXPECT_EQ(config.attention.window, 0);
  EXPECT_EQ(Parse(With(kQwen3, "hidden_size", "1024")).head_dim, 128)
      << "not hidden_size / heads";
  std::string window = With(kQwen3, "sliding_window", "64");
  window = With(window, "use_sliding_window", "true");
  EXPECT_THAT(MessageOf(window), HasSubstr("no \"max_window_layers\""));
  EXPECT_THAT(MessageOf(Without(window, "max_window_layers")),
              HasSubstr("\"max_window_layers\" 0"));
  EXPECT_EQ(Parse(With(window, "max_window_layers", "0")).attention.window, 64);
  const std::string some = R"(["full_attention", "sliding_attention"])";
  EXPECT_THAT(MessageOf(With(With(window, "num_hidden_layers", "2"),
                             "layer_types", some)),
              HasSubstr("windows in some layers alone are not built"));
  EXPECT_THAT(MessageOf(With(kQwen3, "layer_types", R"(["full_attention"])")),
              HasSubstr("each of 36 layers"));
}

TEST(ModelFamilyTest, ADenseFamilyHasNoExperts) {
  ModelConfig config = Parse(kLlama);
  config.balance_loss_coef = 0.01;
  EXPECT_THAT(std::string(Validate(config, "here").message()),
              HasSubstr("no balance loss and no z-loss"));
  config.balance_loss_coef = 0.0;
  config.feed_forward.first_k_dense_replace = 0;
  EXPECT_THAT(
      std::string(Validate(config, "here").message()),
      HasSubstr("family \"llama\", which has no routers, found experts"));
}

}  // namespace
}  // namespace switchyard
