// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The config's parts, one file each: what is read of them, what contradicts
// itself, what is written again. Internal to the model's config.
#ifndef SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_PARTS_H_
#define SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_PARTS_H_

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/nn/config_reader.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard::internal {

// Read...: sizes have been read before. Check...: one sentence that starts with
// `source`. Write...: the keys that Read... reads, where they are not the
// default.

// family_config.cc: the family, and what it leaves no choice about.
absl::Status ReadFamily(ConfigReader& reader, ModelConfig* config);
absl::Status CheckFamily(const ModelConfig& config, absl::string_view source);

// rotary_config.cc
absl::Status ReadRopeTheta(ConfigReader& reader, ModelConfig* config);

// attention_config.cc
absl::Status ReadAttention(ConfigReader& reader, ModelConfig* config);
absl::Status CheckAttention(const ModelConfig& config,
                            absl::string_view source);
void WriteAttention(const ModelConfig& config, nlohmann::ordered_json* json);

// feed_forward_config.cc
absl::Status ReadFeedForward(ConfigReader& reader, ModelConfig* config);
absl::Status CheckFeedForward(const ModelConfig& config,
                              absl::string_view source);
void WriteFeedForward(const ModelConfig& config, nlohmann::ordered_json* json);

// router_config.cc
absl::Status ReadRouter(ConfigReader& reader, ModelConfig* config);
absl::Status CheckRouter(const ModelConfig& config, absl::string_view source);
void WriteRouter(const ModelConfig& config, nlohmann::ordered_json* json);

}  // namespace switchyard::internal

#endif  // SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_PARTS_H_
