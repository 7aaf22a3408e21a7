// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/router_config.h"

#include "absl/strings/str_cat.h"
#include "switchyard/runtime/nn/model_config_parts.h"

namespace switchyard::internal {

absl::Status ReadRouter(ConfigReader& reader, ModelConfig* config) {
  bool renormalize = false;
  if (reader.Boolean("norm_topk_prob", &renormalize)) {
    config->router.renormalize = renormalize;
  }
  return reader.status();
}

absl::Status CheckRouter(const ModelConfig& config, absl::string_view source) {
  if (config.renormalizes_gates() && config.experts_per_token == 1) {
    return ConfigError(
        source,
        "expected \"norm_topk_prob\" to be false with \"num_experts_per_tok\" "
        "1, found true; the one gate would always be 1 and the router would "
        "not learn: leave the key out, or choose two experts");
  }
  return absl::OkStatus();
}

void WriteRouter(const ModelConfig& config, nlohmann::ordered_json* json) {
  (*json)["norm_topk_prob"] = config.renormalizes_gates();
}

}  // namespace switchyard::internal
