// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/attention_config.h"

#include "switchyard/base/status.h"
#include "switchyard/runtime/nn/model_config_parts.h"

namespace switchyard::internal {
namespace {

constexpr int64_t kMostWindow = int64_t{1} << 24;

// A list with the kind of every layer's attention, which must be one kind.
absl::Status CheckLayerTypes(ConfigReader& reader, const ModelConfig& config) {
  const nlohmann::json* found = reader.Find("layer_types");
  if (found == nullptr) return absl::OkStatus();
  const char* wanted =
      config.attention.window > 0 ? "sliding_attention" : "full_attention";
  bool good =
      found->is_array() && static_cast<int64_t>(found->size()) == config.layers;
  for (size_t i = 0; good && i < found->size(); ++i) {
    good = (*found)[i] == wanted;
  }
  if (!good) {
    reader.Wrong("layer_types",
                 absl::StrCat("\"", wanted, "\" for each of ", config.layers,
                              " layers (windows in some layers alone are not "
                              "built)"),
                 *found);
  }
  return reader.status();
}

// Qwen's files tell the first layer that has a window.
absl::Status CheckWindowLayers(ConfigReader& reader,
                               const ModelConfig& config) {
  if (config.attention.window == 0 || reader.Find("layer_types") != nullptr) {
    return absl::OkStatus();
  }
  int64_t first = 0;
  const bool given = reader.Integer("max_window_layers", &first);
  SWITCHYARD_RETURN_IF_ERROR(reader.status());
  if (given && first != 0) {
    return ConfigError(reader.source(),
                       "expected no \"max_window_layers\" beside a sliding "
                       "window; windows in some layers alone are not built: "
                       "remove it, or set \"use_sliding_window\" to false");
  }
  if (!given && config.family == ModelFamily::kQwen3) {
    return ConfigError(
        reader.source(),
        "expected \"max_window_layers\" 0 beside the sliding window of a "
        "\"qwen3\", found none, which means 28 there; windows in some layers "
        "alone are not built: give it, or set \"use_sliding_window\" to false");
  }
  return absl::OkStatus();
}

// A number means a window of that size, unless use_sliding_window is false (as
// Qwen's files have it beside a number, and its family where they leave it
// out).
absl::Status ReadWindow(ConfigReader& reader, ModelConfig* config) {
  const FamilyFacts& facts = FactsOf(config->family);
  int64_t window = facts.sliding_window;
  bool use = !facts.windows_are_switched;
  const bool given = reader.Integer("sliding_window", &window);
  const bool is_null = reader.Has("sliding_window") && !given;
  const bool told = reader.Boolean("use_sliding_window", &use);
  SWITCHYARD_RETURN_IF_ERROR(reader.status());
  const bool known = given || (window > 0 && !is_null);
  if (use && known) {
    SWITCHYARD_RETURN_IF_ERROR(InRange<int64_t>(
        reader.source(), "sliding_window", window, 1, kMostWindow));
    config->attention.window = window;
  } else if (use && told) {
    return ConfigError(reader.source(),
                       "expected a number in \"sliding_window\" since "
                       "\"use_sliding_window\" is true, found none; give one "
                       "or set \"use_sliding_window\" to false");
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckLayerTypes(reader, *config));
  return CheckWindowLayers(reader, *config);
}

const char* NameOf(QkNorm norm) {
  switch (norm) {
    case QkNorm::kHead:
      return "head";
    case QkNorm::kFull:
      return "full";
    case QkNorm::kNone:
      break;
  }
  return "none";
}

void WriteWindow(const ModelConfig& config, nlohmann::ordered_json* json) {
  const FamilyFacts& facts = FactsOf(config.family);
  const int64_t window = config.attention.window;
  if (window == 0) {
    if (facts.sliding_window > 0) (*json)["sliding_window"] = nullptr;
    return;
  }
  (*json)["sliding_window"] = window;
  if (facts.windows_are_switched) (*json)["use_sliding_window"] = true;
  if (config.family == ModelFamily::kQwen3) (*json)["max_window_layers"] = 0;
}

absl::Status ReadBias(ConfigReader& reader, AttentionConfig* attention) {
  bool all = false, qkv = false;
  reader.Boolean("attention_bias", &all);
  const bool told = reader.Boolean("qkv_bias", &qkv);
  if (all && told) {
    return ConfigError(reader.source(),
                       "expected \"attention_bias\" (queries, keys, values and "
                       "output) or \"qkv_bias\" (without the output), found "
                       "both; remove one");
  }
  attention->bias = all   ? AttentionBias::kAll
                    : qkv ? AttentionBias::kQkv
                          : AttentionBias::kNone;
  return reader.status();
}

}  // namespace

absl::Status ReadAttention(ConfigReader& reader, ModelConfig* config) {
  AttentionConfig* attention = &config->attention;
  attention->qk_norm = FactsOf(config->family).qk_norm;
  reader.Choice<QkNorm>("qk_norm",
                        {{"none", QkNorm::kNone},
                         {"head", QkNorm::kHead},
                         {"full", QkNorm::kFull}},
                        &attention->qk_norm);
  SWITCHYARD_RETURN_IF_ERROR(reader.status());
  SWITCHYARD_RETURN_IF_ERROR(ReadWindow(reader, config));
  return ReadBias(reader, attention);
}

absl::Status CheckAttention(const ModelConfig& config,
                            absl::string_view source) {
  return InRange<int64_t>(source, "sliding_window", config.attention.window, 0,
                          kMostWindow);
}

void WriteAttention(const ModelConfig& config, nlohmann::ordered_json* json) {
  const AttentionConfig& attention = config.attention;
  if (attention.qk_norm != FactsOf(config.family).qk_norm) {
    (*json)["qk_norm"] = NameOf(attention.qk_norm);
  }
  if (attention.bias == AttentionBias::kAll) (*json)["attention_bias"] = true;
  if (attention.bias == AttentionBias::kQkv) (*json)["qkv_bias"] = true;
  WriteWindow(config, json);
}

}  // namespace switchyard::internal
