// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/overflow_options.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

constexpr int64_t kMostRows = int64_t{1} << 30;

absl::Status CheckEffects(const OverflowOptions& options) {
  if (!options.dropless()) return absl::OkStatus();
  const struct {
    const char* flag;
    bool set;
  } without_effect[] = {
      {"min_capacity", options.min_capacity != 0},
      {"capacity_scope", options.capacity_scope != CapacityScope::kMicroBatch},
      {"drop_policy", options.drop_policy != DropPolicy::kPosition},
      {"renormalize_survivors", options.renormalize_survivors},
      {"no_token_left_behind", options.no_token_left_behind != 0},
  };
  for (const auto& flag : without_effect) {
    if (!flag.set) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --capacity_factor above 0 with --", flag.flag,
        ", found 0, which drops nothing; give a factor such as 1.25 or leave "
        "the flag out"));
  }
  return absl::OkStatus();
}

absl::Status CheckRouterType(const OverflowOptions& options,
                             const ModelConfig& model) {
  if (options.dropless() || model.router.type != RouterType::kExpertChoice) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected --capacity_factor and --eval_capacity_factor 0 with "
      "\"router_type\" \"expert_choice\", found ",
      options.factor(true).ToString(), " and ",
      options.factor(false).ToString(),
      "; every expert takes its share and no more: leave the flags out"));
}

// What would be told apart is the same.
absl::Status CheckMeaning(const OverflowOptions& options,
                          const ModelConfig& model) {
  if (options.renormalize_survivors && model.experts_per_token == 1) {
    return absl::InvalidArgumentError(
        "expected a model of two experts a token or more with "
        "--renormalize_survivors, found \"num_experts_per_tok\" 1, whose one "
        "gate has nobody to take over from; leave the flag out");
  }
  if (options.drop_policy == DropPolicy::kProbability &&
      model.router.type == RouterType::kHash) {
    return absl::InvalidArgumentError(
        "expected --drop_policy position with \"router_type\" \"hash\", found "
        "probability, which is 1 / k for every token; leave the flag out");
  }
  return absl::OkStatus();
}

absl::Status CheckRerouting(const OverflowOptions& options,
                            const ModelConfig& model) {
  const int64_t experts = options.no_token_left_behind;
  if (experts == 0) return absl::OkStatus();
  // What comes next is decided by probabilities (kernels/reroute.h).
  const RouterConfig& router = model.router;
  if (router.type != RouterType::kTokenChoice) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected \"router_type\" \"token_choice\" with "
        "--no_token_left_behind, found \"",
        NameOf(router.type), "\"; leave the flag out or choose that type"));
  }
  const std::string other = BeyondPlainSoftmax(router);
  if (!other.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a router of softmax scores, without groups and without a "
        "bias, with --no_token_left_behind, found ",
        other, "; leave the flag out or choose a model without that key"));
  }
  if (experts <= model.experts_per_token || experts > model.experts) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --no_token_left_behind above the model's experts per token, ",
        model.experts_per_token, ", and of at most its experts, ",
        model.experts, ", found ", experts,
        "; correct it, or leave it at 0, which reroutes nothing"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const OverflowOptions& options,
                      const ModelConfig& model) {
  if (options.min_capacity < 0 || options.min_capacity > kMostRows) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --min_capacity between 0 and ", kMostRows,
                     ", found ", options.min_capacity, "; correct it"));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckEffects(options));
  SWITCHYARD_RETURN_IF_ERROR(CheckRouterType(options, model));
  SWITCHYARD_RETURN_IF_ERROR(CheckMeaning(options, model));
  return CheckRerouting(options, model);
}

OverflowRule MakeOverflowRule(const OverflowOptions& options,
                              const ModelConfig& model, int64_t sequences,
                              int64_t sequence_length, bool training) {
  OverflowRule rule;
  const CapacityFactor& factor = options.factor(training);
  if (factor.dropless()) return rule;
  int64_t tokens = sequences * sequence_length;
  if (options.capacity_scope == CapacityScope::kSequence) {
    tokens = rule.scope_tokens = sequence_length;
  }
  rule.capacity =
      factor.Capacity(model.experts_per_token, tokens, model.experts);
  rule.capacity =
      std::min(tokens, std::max(rule.capacity, options.min_capacity));
  rule.expert_rows = RowsOfExpert(rule, sequences * sequence_length);
  rule.policy = options.drop_policy;
  rule.renormalize_survivors = options.renormalize_survivors;
  if (options.no_token_left_behind > 0) {
    rule.more_experts = options.no_token_left_behind - model.experts_per_token;
  }
  return rule;
}

int64_t RowsOfExpert(const OverflowRule& rule, int64_t tokens) {
  const int64_t scopes =
      rule.scope_tokens == 0 ? 1 : tokens / rule.scope_tokens;
  return rule.capacity * scopes;
}

const char* NameOf(CapacityScope scope) {
  return scope == CapacityScope::kMicroBatch ? "micro_batch" : "sequence";
}

const char* NameOf(DropPolicy policy) {
  return policy == DropPolicy::kPosition ? "position" : "probability";
}

}  // namespace switchyard
