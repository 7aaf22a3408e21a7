// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/model_config.h"

#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/moe/balance_convention.h"
#include "switchyard/runtime/nn/config_reader.h"
#include "switchyard/runtime/nn/model_config_keys.h"
#include "switchyard/runtime/nn/model_config_parts.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard {
namespace {

using Json = nlohmann::json;
using internal::CheckAttention;
using internal::CheckFeedForward;
using internal::CheckRouter;
using internal::ConfigError;
using internal::ConfigReader;
using internal::InRange;
using internal::ReadAttention;
using internal::ReadFeedForward;
using internal::ReadRouter;
using internal::ShortestDecimal;
using internal::Shown;
using internal::WriteAttention;
using internal::WriteFeedForward;
using internal::WriteRouter;

constexpr size_t kMaxConfigBytes = size_t{1} << 20;

absl::Status CheckKnown(const std::string& name, const Json& value,
                        absl::string_view source) {
  const internal::ConfigKey* key = internal::FindConfigKey(name);
  if (key == nullptr) {
    std::vector<absl::string_view> names;
    for (const internal::ConfigKey& known : internal::ConfigKeys()) {
      names.push_back(known.name);
    }
    const absl::string_view nearest = NearestName(name, names);
    return ConfigError(
        source,
        absl::StrCat("expected known keys, found \"", Printable(name), "\"; ",
                     nearest.empty() ? ""
                                     : absl::StrCat("the nearest known one is "
                                                    "\"",
                                                    nearest, "\": "),
                     "correct it, or remove it if the model does not need "
                     "it"));
  }
  if (key->kind == internal::ConfigKeyKind::kOnlyThis && !value.is_null() &&
      value != Json::parse(key->value)) {
    return ConfigError(
        source, absl::StrCat("expected \"", name, "\" to be ", key->value,
                             ", found ", Shown(value),
                             "; another value would change the "
                             "model and is not built: correct it, or "
                             "remove it if the model does not need "
                             "it"));
  }
  return absl::OkStatus();
}

// "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"} of newer
// files.
absl::Status ReadRopeParameters(const Json& json, absl::string_view source,
                                double* theta, bool* found) {
  const char* kName = "rope_parameters";
  if (!json.is_object()) {
    return ConfigError(
        source, absl::StrCat("expected \"", kName, "\" to be an object, found ",
                             Shown(json), "; correct it"));
  }
  ConfigReader reader(json, source, absl::StrCat(kName, "."));
  for (const auto& [name, value] : json.items()) {
    const bool known = name == "rope_theta" || value.is_null() ||
                       (name == "rope_type" && value == "default") ||
                       (name == "partial_rotary_factor" && value == 1.0);
    if (!known) {
      return ConfigError(
          source, absl::StrCat("expected \"", kName,
                               "\" to hold rope_theta and rope_type "
                               "\"default\", found \"",
                               Printable(name), "\": ", Shown(value),
                               "; other rotary embeddings are not built"));
    }
  }
  *found = reader.Number("rope_theta", theta);
  return reader.status();
}

absl::Status ReadRopeTheta(ConfigReader& reader, absl::string_view source,
                           double* theta) {
  const bool top = reader.Number("rope_theta", theta);
  bool nested = false;
  double nested_theta = 0.0;
  if (const Json* json = reader.Find("rope_parameters")) {
    SWITCHYARD_RETURN_IF_ERROR(
        ReadRopeParameters(*json, source, &nested_theta, &nested));
  }
  if (top && nested && *theta != nested_theta) {
    return ConfigError(source,
                       absl::StrCat("expected one rotary base, found ", *theta,
                                    " in \"rope_theta\" and ", nested_theta,
                                    " in \"rope_parameters\"; remove one"));
  }
  if (nested) *theta = nested_theta;
  reader.Require("rope_theta", top || nested);
  return absl::OkStatus();
}

// Mixtral's, Qwen's and DeepSeek's name of the same number.
absl::Status ReadExperts(ConfigReader& reader, int64_t* experts) {
  const char* first = nullptr;
  for (const char* key :
       {"num_local_experts", "num_experts", "n_routed_experts"}) {
    int64_t value = 0;
    if (!reader.Integer(key, &value)) continue;
    if (first != nullptr && value != *experts) {
      return ConfigError(reader.source(),
                         absl::StrCat("expected one number of experts, found ",
                                      *experts, " in \"", first, "\" and ",
                                      value, " in \"", key, "\"; remove one"));
    }
    *experts = value;
    first = key;
  }
  reader.Require("num_local_experts", first != nullptr);
  return reader.status();
}

absl::Status ReadSizes(ConfigReader& reader, ModelConfig* config) {
  const std::pair<const char*, int64_t*> required[] = {
      {"hidden_size", &config->hidden_size},
      {"intermediate_size", &config->intermediate_size},
      {"num_hidden_layers", &config->layers},
      {"num_attention_heads", &config->heads},
      {"num_key_value_heads", &config->kv_heads},
      {"num_experts_per_tok", &config->experts_per_token},
      {"vocab_size", &config->vocabulary},
  };
  for (const auto& [key, value] : required) {
    reader.Require(key, reader.Integer(key, value));
  }
  SWITCHYARD_RETURN_IF_ERROR(ReadExperts(reader, &config->experts));
  reader.Integer("max_position_embeddings", &config->max_position_embeddings);
  if (!reader.Integer("head_dim", &config->head_dim) && config->heads > 0 &&
      config->hidden_size % config->heads == 0) {
    config->head_dim = config->hidden_size / config->heads;
  }
  return reader.status();
}

absl::Status ReadNumbers(ConfigReader& reader, absl::string_view source,
                         ModelConfig* config) {
  SWITCHYARD_RETURN_IF_ERROR(
      ReadRopeTheta(reader, source, &config->rope_theta));
  reader.Require("rms_norm_eps",
                 reader.Number("rms_norm_eps", &config->rms_norm_eps));
  reader.Number("initializer_range", &config->initializer_range);
  reader.Number("router_z_loss_coef", &config->router_z_loss_coef);
  return reader.status();
}

// The values that torch knows and that weights come in.
constexpr const char* kWeightTypes[] = {"bfloat16", "float16", "float32",
                                        "float64"};

absl::Status CheckWeightType(ConfigReader& reader, const char* key) {
  const Json* found = reader.Find(key);
  if (found == nullptr) return absl::OkStatus();
  for (const char* name : kWeightTypes) {
    if (*found == name) return absl::OkStatus();
  }
  reader.Wrong(
      key,
      absl::StrCat("one of \"", absl::StrJoin(kWeightTypes, "\", \""), "\""),
      *found);
  return reader.status();
}

// Limits far above any model that was trained; below them no product of sizes
// leaves int64_t.
absl::Status CheckRanges(const ModelConfig& config, absl::string_view source) {
  struct {
    const char* key;
    int64_t value, most;
  } const sizes[] = {
      {"hidden_size", config.hidden_size, 1 << 16},
      {config.feed_forward.dense_intermediate_size != 0
           ? "moe_intermediate_size"
           : "intermediate_size",
       config.intermediate_size, 1 << 18},
      {"num_hidden_layers", config.layers, 1 << 10},
      {"num_attention_heads", config.heads, 1 << 10},
      {"num_key_value_heads", config.kv_heads, 1 << 10},
      {"num_local_experts", config.experts, 1 << 12},
      {"num_experts_per_tok", config.experts_per_token, 1 << 12},
      {"vocab_size", config.vocabulary, 1 << 22},
      {"max_position_embeddings", config.max_position_embeddings, 1 << 24},
  };
  for (const auto& size : sizes) {
    SWITCHYARD_RETURN_IF_ERROR(
        InRange<int64_t>(source, size.key, size.value, 1, size.most));
  }
  struct {
    const char* key;
    double value, least, most;
  } const numbers[] = {
      {"rope_theta", config.rope_theta, 1.0, 1e12},
      {"rms_norm_eps", config.rms_norm_eps, 1e-12, 1.0},
      {"initializer_range", config.initializer_range, 1e-6, 10.0},
      {"balance_loss_coef", config.balance_loss_coef, 0.0, 1e4},
      {"router_z_loss_coef", config.router_z_loss_coef, 0.0, 1e4},
  };
  for (const auto& number : numbers) {
    SWITCHYARD_RETURN_IF_ERROR(
        InRange(source, number.key, number.value, number.least, number.most));
  }
  return absl::OkStatus();
}

// Which layers have experts is known. Hugging Face pools the routers' outputs
// of the layers that have one, so L are those.
absl::Status ReadBalanceLoss(ConfigReader& reader, absl::string_view source,
                             ModelConfig* config) {
  double pooled = 0.0;
  reader.Number("router_aux_loss_coef", &pooled);
  if (reader.Number("balance_loss_coef", &config->balance_loss_coef)) {
    return reader.status();
  }
  // Which it is can be told only of a config that is right.
  SWITCHYARD_RETURN_IF_ERROR(reader.status());
  SWITCHYARD_RETURN_IF_ERROR(CheckRanges(*config, source));
  SWITCHYARD_RETURN_IF_ERROR(CheckFeedForward(*config, source));
  const int64_t layers = ExpertLayerCount(*config);
  if (layers == 0) return absl::OkStatus();
  config->balance_loss_coef =
      FromConvention(BalanceConvention::kHuggingFace, pooled,
                     {layers, config->experts, config->experts_per_token});
  return absl::OkStatus();
}

// A model that no machine could hold is a mistake in the file.
constexpr double kMaxParameters = 1e14;

absl::Status CheckTotal(const ModelConfig& config, absl::string_view source) {
  const int64_t dense =
      ExpertLayerCount(config) < config.layers ? DenseWidth(config) : 0;
  const double widths = static_cast<double>(config.experts) *
                            static_cast<double>(config.intermediate_size) +
                        static_cast<double>(SharedWidth(config)) +
                        static_cast<double>(dense);
  const double experts = 3.0 * static_cast<double>(config.layers) * widths *
                         static_cast<double>(config.hidden_size);
  if (experts <= kMaxParameters) return absl::OkStatus();
  return ConfigError(
      source,
      absl::StrCat("expected at most ", kMaxParameters, " parameters, found ",
                   experts, " in experts alone; correct the sizes"));
}

}  // namespace

int64_t ExpertChoiceRows(const ModelConfig& config, int64_t tokens) {
  const int64_t rows =
      (config.experts_per_token * tokens + config.experts - 1) / config.experts;
  return std::min(rows, tokens);
}

absl::Status Validate(const ModelConfig& config, absl::string_view source) {
  SWITCHYARD_RETURN_IF_ERROR(CheckRanges(config, source));
  if (config.heads % config.kv_heads != 0) {
    return ConfigError(
        source, absl::StrCat("expected \"num_attention_heads\" to be a "
                             "multiple of \"num_key_value_heads\", found ",
                             config.heads, " and ", config.kv_heads,
                             "; change one of them"));
  }
  if (config.head_dim == 0 && config.hidden_size % config.heads != 0) {
    return ConfigError(
        source, absl::StrCat("expected \"hidden_size\" to be a multiple of "
                             "\"num_attention_heads\", found ",
                             config.hidden_size, " and ", config.heads,
                             "; change one of them or give \"head_dim\""));
  }
  if (config.head_dim < 8 || config.head_dim > 512 ||
      config.head_dim % 8 != 0) {
    return ConfigError(
        source, absl::StrCat("expected heads of a multiple of 8 between 8 "
                             "and 512 elements, found \"head_dim\" ",
                             config.head_dim, "; change it"));
  }
  if (config.experts_per_token > config.experts) {
    return ConfigError(
        source, absl::StrCat("expected \"num_experts_per_tok\" to be at most "
                             "\"num_local_experts\", found ",
                             config.experts_per_token, " of ", config.experts,
                             "; change one of them"));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckAttention(config, source));
  SWITCHYARD_RETURN_IF_ERROR(CheckFeedForward(config, source));
  SWITCHYARD_RETURN_IF_ERROR(CheckRouter(config, source));
  return CheckTotal(config, source);
}

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view json_text,
                                             absl::string_view source,
                                             const DecidedElsewhere& keys) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const Json json,
      internal::ParseStrictJson(json_text, source,
                                "a config.json with Mixtral's keys"));
  for (const auto& [name, value] : json.items()) {
    SWITCHYARD_RETURN_IF_ERROR(CheckKnown(name, value, source));
  }
  ModelConfig config;
  ConfigReader reader(json, source);
  SWITCHYARD_RETURN_IF_ERROR(ReadSizes(reader, &config));
  SWITCHYARD_RETURN_IF_ERROR(ReadNumbers(reader, source, &config));
  if (keys.router_z_loss_coef) config.router_z_loss_coef = 0.0;
  SWITCHYARD_RETURN_IF_ERROR(ReadAttention(reader, &config));
  SWITCHYARD_RETURN_IF_ERROR(ReadFeedForward(reader, &config));
  SWITCHYARD_RETURN_IF_ERROR(ReadBalanceLoss(reader, source, &config));
  if (keys.balance_loss_coef) config.balance_loss_coef = 0.0;
  SWITCHYARD_RETURN_IF_ERROR(ReadRouter(reader, &config));
  SWITCHYARD_RETURN_IF_ERROR(CheckWeightType(reader, "dtype"));
  SWITCHYARD_RETURN_IF_ERROR(CheckWeightType(reader, "torch_dtype"));
  SWITCHYARD_RETURN_IF_ERROR(Validate(config, source));
  return config;
}

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path,
                                            const DecidedElsewhere& keys) {
  struct stat info;
  std::string file = path;
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    absl::StrAppend(&file, absl::EndsWith(path, "/") ? "" : "/", "config.json");
  }
  const absl::StatusOr<std::string> text = ReadFile(file, kMaxConfigBytes);
  if (!text.ok()) {
    return absl::Status(
        text.status().code(),
        absl::StrCat("expected a model's config.json or a folder that holds "
                     "one, but ",
                     text.status().message(), "; give another path"));
  }
  return ParseModelConfig(*text, file, keys);
}

std::string ToJson(const ModelConfig& config) {
  nlohmann::ordered_json json;
  json["model_type"] = "mixtral";
  json["hidden_size"] = config.hidden_size;
  json["intermediate_size"] = config.intermediate_size;
  json["num_hidden_layers"] = config.layers;
  json["num_attention_heads"] = config.heads;
  json["num_key_value_heads"] = config.kv_heads;
  json["head_dim"] = config.head_dim;
  json["num_local_experts"] = config.experts;
  json["num_experts_per_tok"] = config.experts_per_token;
  json["vocab_size"] = config.vocabulary;
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["rope_theta"] = config.rope_theta;
  json["rms_norm_eps"] = ShortestDecimal(config.rms_norm_eps);
  json["initializer_range"] = ShortestDecimal(config.initializer_range);
  json["tie_word_embeddings"] = false;
  json["balance_loss_coef"] = config.balance_loss_coef;
  json["router_z_loss_coef"] = config.router_z_loss_coef;
  WriteAttention(config, &json);
  WriteFeedForward(config, &json);
  WriteRouter(config, &json);
  return json.dump(2) + "\n";
}

}  // namespace switchyard
