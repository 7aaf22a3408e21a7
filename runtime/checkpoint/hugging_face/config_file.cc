// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/hugging_face/config_file.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/moe/balance_convention.h"
#include "switchyard/runtime/nn/config_reader.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard {
namespace {

using OrderedJson = nlohmann::ordered_json;
using internal::ShortestDecimal;

// What is set, and whether it is something that the class cannot be told.
struct Difference {
  bool found;
  const char* key;
  const char* why;
};

absl::Status FirstOf(const std::vector<Difference>& differences,
                     const FamilyFacts& facts, absl::string_view source) {
  for (const Difference& difference : differences) {
    if (!difference.found) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        source, ": expected a model that ", facts.architecture,
        " of Hugging Face computes, found another \"", difference.key,
        "\": ", difference.why,
        "; convert a model without it, or choose another \"model_type\""));
  }
  return absl::OkStatus();
}

std::vector<Difference> AttentionDifferences(const ModelConfig& config,
                                             const FamilyFacts& facts) {
  const AttentionConfig& attention = config.attention;
  const int64_t width = config.heads * config.head_dim;
  return {
      {attention.qk_norm != facts.qk_norm, "qk_norm",
       "queries and keys are normalised as the class does or not at all"},
      {attention.bias == AttentionBias::kQkv, "qkv_bias",
       "the class has biases on all of attention's projections or on none"},
      {attention.bias == AttentionBias::kAll && !facts.class_has_attention_bias,
       "attention_bias", "the class has no biases"},
      {attention.window > 0 && !facts.class_has_window, "sliding_window",
       "the class has no windows"},
      {config.family == ModelFamily::kOlmoe && width != config.hidden_size,
       "head_dim", "the class normalises hidden_size elements of all heads"},
      {config.family == ModelFamily::kLlama &&
           config.hidden_size % config.heads != 0,
       "num_attention_heads", "the class wants heads that divide hidden_size"},
  };
}

std::vector<Difference> RouterDifferences(const ModelConfig& config) {
  const RouterConfig& router = config.router;
  return {
      {router.type != RouterType::kTokenChoice, "router_type",
       "the class lets tokens choose"},
      {router.scoring != kernels::RouterScoring::kSoftmax, "scoring_func",
       "the class has a softmax"},
      {router.scaling != 1.0, "routed_scaling_factor",
       "the class does not scale gates"},
      {router.groups > 1, "n_group", "the class has no groups"},
      {router.device_groups > 1, "n_device_groups", "the class has no groups"},
      {router.noisy_top_k, "noisy_top_k", "the class has no such noise"},
      {router.selection_bias, "router_bias", "the class has no such bias"},
      {config.family == ModelFamily::kMixtral && !config.renormalizes_gates(),
       "norm_topk_prob",
       "the class always divides gates by their sum, also that of a single "
       "expert"},
  };
}

std::vector<int64_t> DenseLayers(const ModelConfig& config) {
  std::vector<int64_t> layers;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    if (!HasExperts(config, layer)) layers.push_back(layer);
  }
  return layers;
}

std::vector<Difference> LayerDifferences(const ModelConfig& config) {
  return {
      {config.family != ModelFamily::kQwen3Moe && !DenseLayers(config).empty(),
       "first_k_dense_replace, moe_layer_freq, decoder_sparse_step or "
       "mlp_only_layers",
       "all layers of the class have experts"},
      {SharedWidth(config) > 0,
       "n_shared_experts or shared_expert_intermediate_size",
       "the class has no shared expert"},
  };
}

void WriteExperts(const ModelConfig& config, const FamilyFacts& facts,
                  OrderedJson* json) {
  const FeedForwardConfig& f = config.feed_forward;
  (*json)[facts.experts_key] = config.experts;
  (*json)["num_experts_per_tok"] = config.experts_per_token;
  (*json)["output_router_logits"] = false;
  (*json)["router_aux_loss_coef"] = ToConvention(
      BalanceConvention::kHuggingFace, config.balance_loss_coef,
      {ExpertLayerCount(config), config.experts, config.experts_per_token});
  if (config.family != ModelFamily::kMixtral) {
    (*json)["norm_topk_prob"] = config.renormalizes_gates();
  }
  if (config.family != ModelFamily::kQwen3Moe) return;
  (*json)["intermediate_size"] = DenseWidth(config);
  (*json)["moe_intermediate_size"] = config.intermediate_size;
  const bool by_step = f.first_k_dense_replace == 0 && f.moe_layer_freq == 1;
  (*json)["decoder_sparse_step"] = by_step ? f.decoder_sparse_step : 1;
  (*json)["mlp_only_layers"] =
      by_step ? f.mlp_only_layers : DenseLayers(config);
}

void WriteAttention(const ModelConfig& config, const FamilyFacts& facts,
                    OrderedJson* json) {
  const AttentionConfig& attention = config.attention;
  if (facts.class_has_attention_bias) {
    (*json)["attention_bias"] = attention.output_bias();
  }
  (*json)["attention_dropout"] = 0.0;
  if (facts.class_has_window) {
    (*json)["sliding_window"] = nullptr;
    if (attention.window > 0) (*json)["sliding_window"] = attention.window;
  }
  if (facts.windows_are_switched) {
    (*json)["use_sliding_window"] = attention.window > 0;
  }
  if (config.family == ModelFamily::kQwen3) {
    // The first layer that has a window.
    (*json)["max_window_layers"] = attention.window > 0 ? 0 : config.layers;
  }
}

}  // namespace

absl::Status CheckHuggingFaceClass(const ModelConfig& config,
                                   absl::string_view source) {
  const FamilyFacts& facts = FactsOf(config.family);
  SWITCHYARD_RETURN_IF_ERROR(
      FirstOf(AttentionDifferences(config, facts), facts, source));
  SWITCHYARD_RETURN_IF_ERROR(
      FirstOf({{!config.feed_forward.activation.gated, "is_gated_act",
                "the class has three matrices in a feed-forward network"}},
              facts, source));
  if (!facts.has_experts) return absl::OkStatus();
  SWITCHYARD_RETURN_IF_ERROR(FirstOf(LayerDifferences(config), facts, source));
  return FirstOf(RouterDifferences(config), facts, source);
}

std::string ToHuggingFaceJson(const ModelConfig& config, DType dtype) {
  const FamilyFacts& facts = FactsOf(config.family);
  OrderedJson json;
  json["architectures"] = {facts.architecture};
  json["model_type"] = facts.model_type;
  json["torch_dtype"] = dtype == DType::kBFloat16 ? "bfloat16" : "float32";
  json["vocab_size"] = config.vocabulary;
  json["hidden_size"] = config.hidden_size;
  json["intermediate_size"] = config.intermediate_size;
  json["num_hidden_layers"] = config.layers;
  json["num_attention_heads"] = config.heads;
  json["num_key_value_heads"] = config.kv_heads;
  json["head_dim"] = config.head_dim;
  json["hidden_act"] = NameOf(config.feed_forward.activation.function);
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["initializer_range"] = ShortestDecimal(config.initializer_range);
  json["rms_norm_eps"] = ShortestDecimal(config.rms_norm_eps);
  json["rope_theta"] = config.rope_theta;
  json["rope_scaling"] = nullptr;
  WriteAttention(config, facts, &json);
  if (facts.has_experts) WriteExperts(config, facts, &json);
  if (config.family == ModelFamily::kOlmoe) json["clip_qkv"] = nullptr;
  if (config.family == ModelFamily::kLlama) json["mlp_bias"] = false;
  json["tie_word_embeddings"] = false;
  for (const char* token : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    json[token] = nullptr;
  }
  json["use_cache"] = true;
  return json.dump(2) + "\n";
}

absl::StatusOr<HuggingFaceConfig> ParseHuggingFaceConfig(
    absl::string_view json, absl::string_view source) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      nlohmann::json object,
      internal::ParseStrictJson(json, source, "a config.json of Hugging Face"));
  HuggingFaceConfig config;
  const auto tie = object.find("tie_word_embeddings");
  if (tie != object.end() && *tie == true) {
    config.ties_embeddings = true;
    *tie = false;
  }
  SWITCHYARD_ASSIGN_OR_RETURN(config.model,
                              ParseModelConfig(object.dump(), source));
  SWITCHYARD_RETURN_IF_ERROR(CheckHuggingFaceClass(config.model, source));
  return config;
}

}  // namespace switchyard
