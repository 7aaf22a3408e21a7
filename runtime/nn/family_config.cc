// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the family of a config asks of its other keys.
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/nn/model_config_parts.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard::internal {
namespace {

// Keys that speak of experts, which a dense family has none of.
constexpr const char* kExpertKeys[] = {
    "num_local_experts",
    "num_experts",
    "n_routed_experts",
    "num_experts_per_tok",
    "router_aux_loss_coef",
    "balance_loss_coef",
    "router_z_loss_coef",
    "router_jitter_noise",
    "norm_topk_prob",
    "router_type",
    "scoring_func",
    "softmax_after_topk",
    "routed_scaling_factor",
    "topk_method",
    "n_group",
    "topk_group",
    "n_device_groups",
    "topk_device_groups",
    "noisy_top_k",
    "router_bias",
    "first_k_dense_replace",
    "moe_layer_freq",
    "decoder_sparse_step",
    "mlp_only_layers",
    "moe_intermediate_size",
    "n_shared_experts",
    "shared_expert_intermediate_size",
    "shared_expert_gate",
};

absl::Status RefuseExpertKeys(ConfigReader& reader, const FamilyFacts& facts) {
  for (const char* key : kExpertKeys) {
    const nlohmann::json* found = reader.Find(key);
    if (found == nullptr) continue;
    return ConfigError(
        reader.source(),
        absl::StrCat("expected no \"", key, "\" with \"model_type\" \"",
                     facts.model_type, "\", whose layers are dense, found ",
                     Shown(*found),
                     "; remove it, or choose a \"model_type\" with experts "
                     "such as \"mixtral\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadFamily(ConfigReader& reader, ModelConfig* config) {
  if (const nlohmann::json* found = reader.Find("model_type")) {
    const FamilyFacts* facts =
        found->is_string()
            ? FindModelFamily(found->get_ref<const std::string&>())
            : nullptr;
    if (facts == nullptr) {
      std::vector<absl::string_view> names;
      for (const FamilyFacts& one : ModelFamilies()) {
        names.push_back(one.model_type);
      }
      return ConfigError(
          reader.source(),
          absl::StrCat("expected \"model_type\" to be one of \"",
                       absl::StrJoin(names, "\", \""), "\", found ",
                       Shown(*found),
                       "; other families are not built: correct it"));
    }
    config->family = facts->family;
  }
  const FamilyFacts& facts = FactsOf(config->family);
  if (!facts.has_experts) {
    SWITCHYARD_RETURN_IF_ERROR(RefuseExpertKeys(reader, facts));
  }
  if (config->family == ModelFamily::kMixtral) {
    // It would keep one row of the embedding at zero. Files of the other
    // families have one whose row is as good as any.
    if (const nlohmann::json* pad = reader.Find("pad_token_id")) {
      reader.Wrong("pad_token_id", "null", *pad);
    }
  }
  return reader.status();
}

absl::Status CheckFamily(const ModelConfig& config, absl::string_view source) {
  const FamilyFacts& facts = FactsOf(config.family);
  if (facts.has_experts) return absl::OkStatus();
  const bool dense =
      config.experts == 1 && config.experts_per_token == 1 &&
      config.feed_forward.first_k_dense_replace == config.layers &&
      config.feed_forward.dense_intermediate_size == 0 &&
      SharedWidth(config) == 0;
  const bool balanced =
      config.balance_loss_coef > 0.0 || config.router_z_loss_coef > 0.0;
  if (dense && !balanced) return absl::OkStatus();
  return ConfigError(
      source,
      absl::StrCat("expected ",
                   dense ? "no balance loss and no z-loss" : "dense layers",
                   " in a model of the family \"", facts.model_type,
                   "\", which has no routers, found ",
                   dense ? "a coefficient above 0; remove it"
                         : "experts; choose a family with experts such as "
                           "\"mixtral\""));
}

}  // namespace switchyard::internal
