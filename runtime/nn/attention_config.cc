// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/attention_config.h"

#include "switchyard/base/status.h"
#include "switchyard/runtime/nn/model_config_parts.h"

namespace switchyard::internal {
namespace {

constexpr int64_t kMostWindow = int64_t{1} << 24;

// A number means a window of that size, unless use_sliding_window is false (as
// Qwen's files have it beside a number).
absl::Status ReadWindow(ConfigReader& reader, AttentionConfig* attention) {
  int64_t window = 0;
  bool use = true;
  const bool given = reader.Integer("sliding_window", &window);
  const bool told = reader.Boolean("use_sliding_window", &use);
  SWITCHYARD_RETURN_IF_ERROR(reader.status());
  if (!use) return absl::OkStatus();
  if (given) {
    SWITCHYARD_RETURN_IF_ERROR(InRange<int64_t>(
        reader.source(), "sliding_window", window, 1, kMostWindow));
    attention->window = window;
  } else if (told) {
    return ConfigError(reader.source(),
                       "expected a number in \"sliding_window\" since "
                       "\"use_sliding_window\" is true, found none; give one "
                       "or set \"use_sliding_window\" to false");
  }
  if (attention->window > 0 && reader.Find("max_window_layers") != nullptr) {
    return ConfigError(reader.source(),
                       "expected no \"max_window_layers\" beside a sliding "
                       "window; windows in some layers alone are not built: "
                       "remove it, or set \"use_sliding_window\" to false");
  }
  return absl::OkStatus();
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
  reader.Choice<QkNorm>("qk_norm",
                        {{"none", QkNorm::kNone},
                         {"head", QkNorm::kHead},
                         {"full", QkNorm::kFull}},
                        &attention->qk_norm);
  SWITCHYARD_RETURN_IF_ERROR(reader.status());
  SWITCHYARD_RETURN_IF_ERROR(ReadWindow(reader, attention));
  return ReadBias(reader, attention);
}

absl::Status CheckAttention(const ModelConfig& config,
                            absl::string_view source) {
  return InRange<int64_t>(source, "sliding_window", config.attention.window, 0,
                          kMostWindow);
}

void WriteAttention(const ModelConfig& config, nlohmann::ordered_json* json) {
  const AttentionConfig& attention = config.attention;
  if (attention.qk_norm != QkNorm::kNone) {
    (*json)["qk_norm"] = attention.qk_norm == QkNorm::kHead ? "head" : "full";
  }
  if (attention.bias == AttentionBias::kAll) (*json)["attention_bias"] = true;
  if (attention.bias == AttentionBias::kQkv) (*json)["qkv_bias"] = true;
  if (attention.window > 0) (*json)["sliding_window"] = attention.window;
}

}  // namespace switchyard::internal
