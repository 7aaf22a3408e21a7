// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/feed_forward_config.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/nn/model_config_parts.h"

namespace switchyard {

using kernels::Activation;

namespace {

constexpr std::pair<const char*, Activation> kActivations[] = {
    {"silu", Activation::kSilu},
    {"gelu", Activation::kGelu},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"relu", Activation::kRelu},
};

}  // namespace

const char* NameOf(Activation activation) {
  for (const auto& [name, meaning] : kActivations) {
    if (meaning == activation) return name;
  }
  return "";
}

bool HasExperts(const ModelConfig& config, int64_t layer) {
  const FeedForwardConfig& f = config.feed_forward;
  return layer >= f.first_k_dense_replace && layer % f.moe_layer_freq == 0 &&
         (layer + 1) % f.decoder_sparse_step == 0 &&
         !std::binary_search(f.mlp_only_layers.begin(), f.mlp_only_layers.end(),
                             layer);
}

std::vector<int> ExpertLayers(const ModelConfig& config) {
  std::vector<int> layers;
  for (int layer = 0; layer < config.layers; ++layer) {
    if (HasExperts(config, layer)) layers.push_back(layer);
  }
  return layers;
}

int64_t ExpertLayerCount(const ModelConfig& config) {
  int64_t count = 0;  // without the list: steps ask too
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    if (HasExperts(config, layer)) ++count;
  }
  return count;
}

int64_t DenseWidth(const ModelConfig& config) {
  const int64_t width = config.feed_forward.dense_intermediate_size;
  return width > 0 ? width : config.intermediate_size;
}

int64_t SharedWidth(const ModelConfig& config) {
  const FeedForwardConfig& f = config.feed_forward;
  return f.n_shared_experts > 0 ? f.n_shared_experts * config.intermediate_size
                                : f.shared_expert_intermediate_size;
}

namespace internal {
namespace {

constexpr int64_t kMostLayers = 1 << 16;
constexpr int64_t kMostWidth = 1 << 20;
constexpr int64_t kMostSharedExperts = 1 << 12;

// A list of layers, sorted.
void ReadLayers(ConfigReader& reader, const char* key,
                std::vector<int64_t>* layers) {
  const nlohmann::json* found = reader.Find(key);
  if (found == nullptr) return;
  bool good = found->is_array();
  for (size_t i = 0; good && i < found->size(); ++i) {
    const nlohmann::json& layer = (*found)[i];
    good = layer.is_number_integer() && layer >= 0 && layer < kMostLayers;
    if (good) layers->push_back(layer.get<int64_t>());
  }
  if (!good) reader.Wrong(key, "a list of layers such as [0, 1]", *found);
  std::sort(layers->begin(), layers->end());
}

void ReadWidths(ConfigReader& reader, ModelConfig* config) {
  FeedForwardConfig& f = config->feed_forward;
  int64_t of_experts = 0;
  if (config->family == ModelFamily::kQwen3Moe) {
    // Its "intermediate_size" is that of a dense layer.
    reader.Require("moe_intermediate_size",
                   reader.Find("moe_intermediate_size") != nullptr);
  }
  if (reader.Integer("moe_intermediate_size", &of_experts)) {
    // 0 would mean "as an expert's"; -1 is out of every range too.
    f.dense_intermediate_size =
        config->intermediate_size == 0 ? -1 : config->intermediate_size;
    config->intermediate_size = of_experts;
  }
  reader.Integer("n_shared_experts", &f.n_shared_experts);
  reader.Integer("shared_expert_intermediate_size",
                 &f.shared_expert_intermediate_size);
  reader.Boolean("shared_expert_gate", &f.shared_expert_gate);
}

absl::Status CheckLayers(const ModelConfig& config, absl::string_view source) {
  const FeedForwardConfig& f = config.feed_forward;
  const struct {
    const char* key;
    int64_t value, least, most;
  } counts[] = {
      {"first_k_dense_replace", f.first_k_dense_replace, 0, config.layers},
      {"moe_layer_freq", f.moe_layer_freq, 1, kMostLayers},
      {"decoder_sparse_step", f.decoder_sparse_step, 1, kMostLayers}};
  for (const auto& count : counts) {
    SWITCHYARD_RETURN_IF_ERROR(InRange<int64_t>(source, count.key, count.value,
                                                count.least, count.most));
  }
  const bool first = f.first_k_dense_replace > 0 || f.moe_layer_freq > 1;
  const bool second = f.decoder_sparse_step > 1 || !f.mlp_only_layers.empty();
  if (first && second) {
    return ConfigError(
        source,
        "expected the layers with experts to be told by "
        "\"first_k_dense_replace\" and \"moe_layer_freq\" or by "
        "\"decoder_sparse_step\" and \"mlp_only_layers\", found both; remove "
        "one pair");
  }
  for (size_t i = 0; i < f.mlp_only_layers.size(); ++i) {
    const int64_t layer = f.mlp_only_layers[i];
    const bool twice = i > 0 && layer <= f.mlp_only_layers[i - 1];
    if (layer >= 0 && layer < config.layers && !twice) continue;
    return ConfigError(
        source, absl::StrCat("expected \"mlp_only_layers\" to name layers "
                             "between 0 and ",
                             config.layers - 1, " once each, found ", layer,
                             twice ? " twice" : "", "; correct it"));
  }
  return absl::OkStatus();
}

absl::Status CheckWidths(const ModelConfig& config, absl::string_view source) {
  const FeedForwardConfig& f = config.feed_forward;
  if (f.dense_intermediate_size != 0) {
    SWITCHYARD_RETURN_IF_ERROR(InRange<int64_t>(
        source, "intermediate_size", f.dense_intermediate_size, 1, kMostWidth));
  }
  SWITCHYARD_RETURN_IF_ERROR(InRange<int64_t>(
      source, "n_shared_experts", f.n_shared_experts, 0, kMostSharedExperts));
  SWITCHYARD_RETURN_IF_ERROR(
      InRange<int64_t>(source, "shared_expert_intermediate_size",
                       f.shared_expert_intermediate_size, 0, kMostWidth));
  if (f.n_shared_experts > 0 && f.shared_expert_intermediate_size > 0) {
    return ConfigError(
        source,
        absl::StrCat("expected \"n_shared_experts\" or "
                     "\"shared_expert_intermediate_size\", found both (",
                     f.n_shared_experts, " and ",
                     f.shared_expert_intermediate_size, "); remove one"));
  }
  if (f.shared_expert_gate && SharedWidth(config) == 0) {
    return ConfigError(
        source,
        "expected a shared expert with \"shared_expert_gate\" true, found "
        "none; give \"shared_expert_intermediate_size\" or "
        "\"n_shared_experts\", or remove the gate");
  }
  return absl::OkStatus();
}

absl::Status CheckInitialValues(const ModelConfig& config,
                                absl::string_view source) {
  const FeedForwardConfig& f = config.feed_forward;
  if (f.initializer_scale == 0.0) return absl::OkStatus();
  SWITCHYARD_RETURN_IF_ERROR(
      InRange(source, "initializer_scale", f.initializer_scale, 1e-6, 100.0));
  if (f.initializer != InitialValues::kTruncatedNormal) {
    return ConfigError(
        source,
        "expected \"initializer\" \"truncated_normal\" with "
        "\"initializer_scale\", found \"normal\"; change it, or remove the "
        "scale");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadFeedForward(ConfigReader& reader, ModelConfig* config) {
  FeedForwardConfig& f = config->feed_forward;
  const bool has_experts = FactsOf(config->family).has_experts;
  if (!has_experts) f.first_k_dense_replace = config->layers;
  reader.Integer("first_k_dense_replace", &f.first_k_dense_replace);
  reader.Integer("moe_layer_freq", &f.moe_layer_freq);
  reader.Integer("decoder_sparse_step", &f.decoder_sparse_step);
  ReadLayers(reader, "mlp_only_layers", &f.mlp_only_layers);
  ReadWidths(reader, config);
  reader.Choice<Activation>("hidden_act",
                            {std::begin(kActivations), std::end(kActivations)},
                            &f.activation.function);
  reader.Boolean("is_gated_act", &f.activation.gated);
  reader.Choice<InitialValues>(
      "initializer",
      {{"normal", InitialValues::kNormal},
       {"truncated_normal", InitialValues::kTruncatedNormal}},
      &f.initializer);
  if (reader.Number("initializer_scale", &f.initializer_scale) &&
      f.initializer_scale == 0.0) {
    f.initializer_scale = -1.0;  // given, and out of every range
  }
  return reader.status();
}

absl::Status CheckFeedForward(const ModelConfig& config,
                              absl::string_view source) {
  SWITCHYARD_RETURN_IF_ERROR(CheckLayers(config, source));
  SWITCHYARD_RETURN_IF_ERROR(CheckWidths(config, source));
  return CheckInitialValues(config, source);
}

void WriteFeedForward(const ModelConfig& config, nlohmann::ordered_json* json) {
  const FeedForwardConfig& f = config.feed_forward;
  const auto write = [&](const char* key, const auto& value, bool is_default) {
    if (!is_default) (*json)[key] = value;
  };
  if (f.dense_intermediate_size > 0) {
    (*json)["intermediate_size"] = f.dense_intermediate_size;
    (*json)["moe_intermediate_size"] = config.intermediate_size;
  }
  write("first_k_dense_replace", f.first_k_dense_replace,
        f.first_k_dense_replace == 0 || !FactsOf(config.family).has_experts);
  write("moe_layer_freq", f.moe_layer_freq, f.moe_layer_freq == 1);
  write("decoder_sparse_step", f.decoder_sparse_step,
        f.decoder_sparse_step == 1);
  write("mlp_only_layers", f.mlp_only_layers, f.mlp_only_layers.empty());
  (*json)["hidden_act"] = NameOf(f.activation.function);
  write("is_gated_act", f.activation.gated, f.activation.gated);
  write("n_shared_experts", f.n_shared_experts, f.n_shared_experts == 0);
  write("shared_expert_intermediate_size", f.shared_expert_intermediate_size,
        f.shared_expert_intermediate_size == 0);
  write("shared_expert_gate", f.shared_expert_gate, !f.shared_expert_gate);
  write("initializer", "truncated_normal",
        f.initializer == InitialValues::kNormal);
  write("initializer_scale", f.initializer_scale, f.initializer_scale == 0.0);
}

}  // namespace internal
}  // namespace switchyard
