// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/options_need_experts.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

struct Option {
  const char* flag;
  bool set;  // to something else than its default
  std::string value;
};

std::vector<Option> OfRouters(const TrainOptions& o) {
  const double jitter = o.exploration.router_jitter;
  return {
      {"router_jitter", jitter != 0.0, absl::StrCat(jitter)},
      {"router_sampling", o.exploration.router_sampling, "true"},
      {"routing_trace", !o.routing_trace.empty(), o.routing_trace},
      {"routing_replay", !o.routing_replay.empty(), o.routing_replay},
  };
}

std::vector<Option> OfOverflow(const TrainOptions& o) {
  const OverflowOptions& overflow = o.overflow;
  const CapacityFactor& training = overflow.factor(/*training=*/true);
  const CapacityFactor& evaluation = overflow.factor(/*training=*/false);
  return {
      {"capacity_factor", !training.dropless(), training.ToString()},
      {"eval_capacity_factor", !evaluation.dropless(), evaluation.ToString()},
      {"min_capacity", overflow.min_capacity != 0,
       absl::StrCat(overflow.min_capacity)},
      {"capacity_scope", overflow.capacity_scope != CapacityScope::kMicroBatch,
       NameOf(overflow.capacity_scope)},
      {"drop_policy", overflow.drop_policy != DropPolicy::kPosition,
       NameOf(overflow.drop_policy)},
      {"renormalize_survivors", overflow.renormalize_survivors, "true"},
      {"no_token_left_behind", overflow.no_token_left_behind != 0,
       absl::StrCat(overflow.no_token_left_behind)},
      {"max_rows_per_rank", o.max_rows_per_rank != 0,
       absl::StrCat(o.max_rows_per_rank)},
  };
}

std::vector<Option> OfBalance(const TrainOptions& o) {
  const BalanceOptions& balance = o.balance;
  return {
      {"balance_loss", balance.loss != BalanceLossKind::kSwitch,
       NameOf(balance.loss)},
      {"balance_scope", balance.scope != BalanceScope::kMicroBatch,
       NameOf(balance.scope)},
      {"balance_window", balance.window != 0, absl::StrCat(balance.window)},
      {"device_balance_loss_coef", balance.device_coefficient != 0.0,
       absl::StrCat(balance.device_coefficient)},
      {"communication_balance_loss_coef",
       balance.communication_coefficient != 0.0,
       absl::StrCat(balance.communication_coefficient)},
      {"bias_update_rate", balance.bias_update_rate != 0.0,
       absl::StrCat(balance.bias_update_rate)},
      {"expert_dropout", o.expert_dropout != 0.0,
       absl::StrCat(o.expert_dropout)},
  };
}

}  // namespace

absl::Status NeedsExperts(absl::string_view flag, absl::string_view value) {
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a model with experts for --", flag, " ", value,
      ", found one whose layers are all dense; leave the flag out or give a "
      "model with experts"));
}

absl::Status CheckOptionsThatNeedExperts(const TrainOptions& options) {
  if (ExpertLayerCount(options.model) > 0) return absl::OkStatus();
  for (const auto& group :
       {OfRouters(options), OfOverflow(options), OfBalance(options)}) {
    for (const Option& option : group) {
      if (option.set) return NeedsExperts(option.flag, option.value);
    }
  }
  return absl::OkStatus();
}

}  // namespace switchyard
