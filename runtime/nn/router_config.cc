// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/router_config.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/nn/model_config_parts.h"

namespace switchyard {
namespace {

using internal::ConfigError;
using internal::ConfigReader;
using kernels::RouterScoring;

using ScoringNames = std::vector<std::pair<const char*, RouterScoring>>;
using TypeNames = std::vector<std::pair<const char*, RouterType>>;
using MethodNames = std::vector<std::pair<const char*, TopKMethod>>;

const TypeNames& Types() {
  static const TypeNames names = {{"token_choice", RouterType::kTokenChoice},
                                  {"hash", RouterType::kHash},
                                  {"expert_choice", RouterType::kExpertChoice}};
  return names;
}

const ScoringNames& Scorings() {
  static const ScoringNames names = {{"softmax", RouterScoring::kSoftmax},
                                     {"sigmoid", RouterScoring::kSigmoid}};
  return names;
}

const MethodNames& Methods() {
  static const MethodNames names = {
      {"greedy", TopKMethod::kGreedy},
      {"group_limited_greedy", TopKMethod::kGroupLimitedGreedy},
      {"noaux_tc", TopKMethod::kNoAuxTc}};
  return names;
}

template <typename T>
const char* NameIn(const std::vector<std::pair<const char*, T>>& names,
                   T value) {
  for (const auto& [name, meaning] : names) {
    if (meaning == value) return name;
  }
  return "";
}

// Two keys that say how groups limit a token's choice, and their values.
struct Groups {
  const char* count_key;
  const char* chosen_key;
  int64_t count, chosen;
};

Groups ExpertGroups(const RouterConfig& r) {
  return {"n_group", "topk_group", r.groups, r.groups_per_token};
}

Groups DeviceGroups(const RouterConfig& r) {
  return {"n_device_groups", "topk_device_groups", r.device_groups,
          r.device_groups_per_token};
}

// How many are chosen has no default: it is what groups are for.
void ReadGroups(ConfigReader& reader, const Groups& groups, int64_t* count,
                int64_t* chosen) {
  reader.Integer(groups.count_key, count);
  const bool found = reader.Integer(groups.chosen_key, chosen);
  if (*count > 1) reader.Require(groups.chosen_key, found);
}

absl::Status CheckGates(const ModelConfig& config, absl::string_view source) {
  const RouterConfig& router = config.router;
  if (config.renormalizes_gates() && config.experts_per_token == 1) {
    return ConfigError(
        source,
        "expected \"norm_topk_prob\" to be false with \"num_experts_per_tok\" "
        "1, found true; the one gate would always be 1 and the router would "
        "not learn: leave the key out, or choose two experts");
  }
  if (!router.softmax_after_topk) return absl::OkStatus();
  if (config.experts_per_token == 1) {
    return ConfigError(
        source,
        "expected \"softmax_after_topk\" to be false with "
        "\"num_experts_per_tok\" 1, found true; the one gate would always be 1 "
        "and the router would not learn: leave the key out, or choose two "
        "experts");
  }
  if (router.scoring != RouterScoring::kSoftmax) {
    return ConfigError(
        source,
        "expected \"scoring_func\" to be \"softmax\" with "
        "\"softmax_after_topk\", found \"sigmoid\"; set \"norm_topk_prob\" "
        "instead, which divides sigmoids by their sum");
  }
  if (!config.renormalizes_gates()) {
    return ConfigError(
        source,
        "expected \"norm_topk_prob\" to be true with \"softmax_after_topk\", "
        "found false; a softmax over the chosen logits adds up to 1: remove "
        "one of the keys");
  }
  return absl::OkStatus();
}

absl::Status CheckGroups(const ModelConfig& config, const Groups& groups,
                         absl::string_view source) {
  if (groups.count < 1 || groups.count > config.experts) {
    return ConfigError(
        source,
        absl::StrCat("expected \"", groups.count_key,
                     "\" between 1 and the number of experts, ", config.experts,
                     ", found ", groups.count, "; correct it"));
  }
  if (groups.chosen < 1 || groups.chosen > groups.count) {
    return ConfigError(
        source,
        absl::StrCat("expected \"", groups.chosen_key, "\" between 1 and \"",
                     groups.count_key, "\", ", groups.count, ", found ",
                     groups.chosen, "; correct one of them"));
  }
  if (config.experts % groups.count != 0) {
    return ConfigError(
        source, absl::StrCat("expected \"", groups.count_key,
                             "\" to divide the number of experts, found ",
                             groups.count, " groups of ", config.experts,
                             " experts; change one of them"));
  }
  const int64_t reachable = groups.chosen * (config.experts / groups.count);
  if (reachable < config.experts_per_token) {
    return ConfigError(
        source, absl::StrCat("expected \"", groups.chosen_key, "\" ",
                             groups.chosen, " of \"", groups.count_key, "\" ",
                             groups.count, " to leave \"num_experts_per_tok\" ",
                             config.experts_per_token,
                             " experts to choose from, found ", reachable,
                             "; raise \"", groups.chosen_key, "\""));
  }
  return absl::OkStatus();
}

absl::Status CheckMethod(const ModelConfig& config, absl::string_view source) {
  const RouterConfig& router = config.router;
  if (router.groups > 1 && router.device_groups > 1) {
    return ConfigError(
        source, absl::StrCat("expected \"n_group\" or \"n_device_groups\", "
                             "found ",
                             router.groups, " and ", router.device_groups,
                             "; both limit the same choice: remove one"));
  }
  if (router.groups > 1 && router.topk_method == TopKMethod::kGreedy) {
    return ConfigError(
        source,
        absl::StrCat("expected \"topk_method\" to say how groups are scored, "
                     "found \"greedy\" with \"n_group\" ",
                     router.groups,
                     "; choose \"group_limited_greedy\" or \"noaux_tc\", or "
                     "remove \"n_group\""));
  }
  if (router.groups > 1 && router.topk_method == TopKMethod::kNoAuxTc &&
      config.experts == router.groups) {
    return ConfigError(
        source, absl::StrCat("expected groups of at least two experts with "
                             "\"topk_method\" \"noaux_tc\", found \"n_group\" ",
                             router.groups, " of ", config.experts,
                             " experts; lower \"n_group\", or choose "
                             "\"group_limited_greedy\""));
  }
  return absl::OkStatus();
}

std::string Quoted(absl::string_view name) {
  return absl::StrCat("\"", name, "\"");
}

// A key that must have one value, here.
struct Fixed {
  const char* key;
  bool other;  // it has another
  std::string wanted, found;
  const char* why;
  const char* flag = nullptr;  // that decides instead of the file
};

// Keys of tokens that choose by scores.
std::vector<Fixed> FixedKeys(const ModelConfig& config) {
  const RouterConfig& router = config.router;
  const bool hash = router.type == RouterType::kHash;
  const bool divides = config.renormalizes_gates();
  const bool biased = router.topk_method == TopKMethod::kNoAuxTc;
  const double balance = config.balance_loss_coef;
  const double z = config.router_z_loss_coef;
  return {
      {"scoring_func", router.scoring != RouterScoring::kSoftmax,
       Quoted("softmax"), Quoted(NameIn(Scorings(), router.scoring)),
       hash ? "there are no scores" : "experts compare softmax scores"},
      {"softmax_after_topk", router.softmax_after_topk, "false", "true",
       "no token chooses by logits"},
      {"n_group", router.groups > 1, "1", absl::StrCat(router.groups),
       "no token chooses by groups"},
      {"n_device_groups", router.device_groups > 1, "1",
       absl::StrCat(router.device_groups), "no token chooses by groups"},
      {"noisy_top_k", router.noisy_top_k, "false", "true",
       hash ? "there are no scores" : "no token chooses by logits"},
      {"router_bias", router.selection_bias, "false",
       biased ? "true, from \"topk_method\" \"noaux_tc\"" : "true",
       hash ? "a hash cannot be kept level" : "loads are level without it"},
      {"balance_loss_coef", balance > 0.0, "0", absl::StrCat(balance),
       hash ? "a hash has no gradient" : "loads are level without it",
       "balance_loss_coef"},
      {"router_z_loss_coef", hash && z > 0.0, "0", absl::StrCat(z),
       "a hash has no logits", "router_z_loss_coef"},
      {"routed_scaling_factor", hash && router.scaling != 1.0, "1",
       absl::StrCat(router.scaling), "the gates of a hash are 1 / k"},
      {"norm_topk_prob", hash && !divides && config.experts_per_token > 1,
       "true", "false", "the gates of a hash are 1 / k"},
      {"norm_topk_prob", !hash && divides, "false", "true",
       "a token with one expert would leave the router without a gradient"},
  };
}

absl::Status CheckType(const ModelConfig& config, absl::string_view source) {
  const RouterType type = config.router.type;
  if (type == RouterType::kTokenChoice) return absl::OkStatus();
  for (const Fixed& key : FixedKeys(config)) {
    if (!key.other) continue;
    const std::string flag =
        key.flag == nullptr
            ? ""
            : absl::StrCat(", give --", key.flag, " ", key.wanted);
    return ConfigError(
        source,
        absl::StrCat("expected \"", key.key, "\" ", key.wanted,
                     " with \"router_type\" \"", NameOf(type), "\", found ",
                     key.found, "; ", key.why, ": correct it", flag,
                     ", or choose \"token_choice\""));
  }
  return absl::OkStatus();
}

}  // namespace

const char* NameOf(RouterType type) { return NameIn(Types(), type); }

std::string BeyondPlainSoftmax(const RouterConfig& config) {
  if (config.scoring != RouterScoring::kSoftmax) {
    return absl::StrCat("\"scoring_func\" ",
                        Quoted(NameIn(Scorings(), config.scoring)));
  }
  for (const Groups& groups : {ExpertGroups(config), DeviceGroups(config)}) {
    if (groups.count == 1) continue;
    return absl::StrCat(Quoted(groups.count_key), " ", groups.count);
  }
  if (!config.selection_bias) return "";
  return config.topk_method == TopKMethod::kNoAuxTc
             ? "\"topk_method\" \"noaux_tc\""
             : "\"router_bias\" true";
}

std::string NoteOnFutureTokens(const RouterConfig& config) {
  if (config.type != RouterType::kExpertChoice) return "";
  return "with \"router_type\" \"expert_choice\" a token's experts depend on "
         "the tokens after it: the losses of this model, also in evaluations, "
         "are those of one that sees the future, and not of one that writes "
         "token by token";
}

std::string NoteOnDeviceGroups(const RouterConfig& config,
                               int64_t expert_parallel) {
  if (config.device_groups == 1 || config.device_groups == expert_parallel) {
    return "";
  }
  return absl::StrCat(
      "the model's \"n_device_groups\" is ", config.device_groups,
      " and the expert-parallel width ", expert_parallel,
      ": its groups are not the experts of one rank each; the result is the "
      "same, and on a multiple of ",
      config.device_groups, " ranks --expert_parallel ", config.device_groups,
      " lets a token meet at most ", config.device_groups_per_token,
      config.device_groups_per_token == 1 ? " rank" : " ranks");
}

namespace internal {

absl::Status ReadRouter(ConfigReader& reader, ModelConfig* config) {
  RouterConfig& router = config->router;
  reader.Choice("router_type", Types(), &router.type);
  reader.Choice("scoring_func", Scorings(), &router.scoring);
  bool renormalize = false;
  if (reader.Boolean("norm_topk_prob", &renormalize)) {
    router.renormalize = renormalize;
  }
  reader.Boolean("softmax_after_topk", &router.softmax_after_topk);
  reader.Number("routed_scaling_factor", &router.scaling);
  reader.Choice("topk_method", Methods(), &router.topk_method);
  ReadGroups(reader, ExpertGroups(router), &router.groups,
             &router.groups_per_token);
  ReadGroups(reader, DeviceGroups(router), &router.device_groups,
             &router.device_groups_per_token);
  reader.Boolean("noisy_top_k", &router.noisy_top_k);
  router.selection_bias = router.topk_method == TopKMethod::kNoAuxTc;
  reader.Boolean("router_bias", &router.selection_bias);
  return reader.status();
}

absl::Status CheckRouter(const ModelConfig& config, absl::string_view source) {
  const RouterConfig& router = config.router;
  SWITCHYARD_RETURN_IF_ERROR(CheckType(config, source));
  SWITCHYARD_RETURN_IF_ERROR(CheckGates(config, source));
  SWITCHYARD_RETURN_IF_ERROR(
      InRange(source, "routed_scaling_factor", router.scaling, 1e-6, 1e6));
  SWITCHYARD_RETURN_IF_ERROR(CheckGroups(config, ExpertGroups(router), source));
  SWITCHYARD_RETURN_IF_ERROR(CheckGroups(config, DeviceGroups(router), source));
  return CheckMethod(config, source);
}

void WriteRouter(const ModelConfig& config, nlohmann::ordered_json* json) {
  const RouterConfig& router = config.router;
  const RouterConfig plain;
  const bool biased = router.topk_method == TopKMethod::kNoAuxTc;
  (*json)["norm_topk_prob"] = config.renormalizes_gates();
  if (router.type != plain.type) {
    (*json)["router_type"] = NameOf(router.type);
  }
  if (router.scoring != plain.scoring) {
    (*json)["scoring_func"] = NameIn(Scorings(), router.scoring);
  }
  if (router.softmax_after_topk) (*json)["softmax_after_topk"] = true;
  if (router.scaling != plain.scaling) {
    (*json)["routed_scaling_factor"] = router.scaling;
  }
  if (router.topk_method != plain.topk_method) {
    (*json)["topk_method"] = NameIn(Methods(), router.topk_method);
  }
  for (const Groups& groups : {ExpertGroups(router), DeviceGroups(router)}) {
    if (groups.count == 1) continue;
    (*json)[groups.count_key] = groups.count;
    (*json)[groups.chosen_key] = groups.chosen;
  }
  if (router.noisy_top_k) (*json)["noisy_top_k"] = true;
  if (router.selection_bias != biased) {
    (*json)["router_bias"] = router.selection_bias;
  }
}

}  // namespace internal
}  // namespace switchyard
