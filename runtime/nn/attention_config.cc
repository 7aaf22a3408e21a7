// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/attention_config.h"

#include "switchyard/runtime/nn/model_config_parts.h"

namespace switchyard::internal {

absl::Status ReadAttention(ConfigReader& reader, ModelConfig*) {
  return reader.status();
}

absl::Status CheckAttention(const ModelConfig&, absl::string_view) {
  return absl::OkStatus();
}

void WriteAttention(const ModelConfig&, nlohmann::ordered_json*) {}

}  // namespace switchyard::internal
