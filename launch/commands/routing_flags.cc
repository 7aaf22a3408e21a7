// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/routing_flags.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/train/options_need_experts.h"

namespace switchyard::launch {
namespace {

// They say how to drop, and mean nothing where nothing is dropped.
constexpr const char* kNeedCapacity[] = {"min_capacity", "capacity_scope",
                                         "drop_policy", "renormalize_survivors",
                                         "no_token_left_behind"};

// Flags that the model has keys for: only whether they were given tells whose
// they are.
std::vector<std::pair<const char*, double>> Coefficients(
    const TrainOptions& options) {
  return {{"balance_loss_coef", options.model.balance_loss_coef},
          {"router_z_loss_coef", options.model.router_z_loss_coef}};
}

void AddExploration(ExplorationOptions* options, FlagSet* set) {
  set->Add("router_jitter", &options->router_jitter, "EPS",
           "in training multiply each element of a router's input by a random "
           "factor between 1 - EPS and 1 + EPS; 0: none");
  set->Add("router_sampling", &options->router_sampling, "",
           "in training sample experts from the router's softmax instead of "
           "taking the best");
}

void AddOverflow(OverflowOptions* options, FlagSet* set) {
  set->Add("capacity_factor", &options->capacity_factor, "X",
           "an expert takes at most X times its even share of a micro-batch; "
           "0 drops nothing");
  set->Add("eval_capacity_factor", &options->eval_capacity_factor, "X",
           "the same in evaluations", "--capacity_factor");
  set->Add("min_capacity", &options->min_capacity, "N",
           "an expert takes N assignments at least");
  set->AddChoice("capacity_scope", &options->capacity_scope,
                 {{"micro_batch", CapacityScope::kMicroBatch},
                  {"sequence", CapacityScope::kSequence}},
                 "tokens that share a capacity");
  set->AddChoice("drop_policy", &options->drop_policy,
                 {{"position", DropPolicy::kPosition},
                  {"probability", DropPolicy::kProbability}},
                 "who has a place first: earlier tokens, or those that are "
                 "surer of their first choice");
  set->Add("renormalize_survivors", &options->renormalize_survivors, "",
           "give the gates of dropped choices to the token's kept ones");
  set->Add("no_token_left_behind", &options->no_token_left_behind, "N",
           "reroute what finds no room to the best N experts of its token; 0 "
           "drops it");
}

void AddBalance(BalanceOptions* options, FlagSet* set) {
  set->AddChoice("balance_loss", &options->loss,
                 {{"switch", BalanceLossKind::kSwitch},
                  {"gshard", BalanceLossKind::kGshard},
                  {"hf_mixtral", BalanceLossKind::kHfMixtral}},
                 "whose formula: all choices of a layer, first choices, or all "
                 "layers pooled (switchyard explain balance_loss)");
  set->AddChoice("balance_scope", &options->scope,
                 {{"micro_batch", BalanceScope::kMicroBatch},
                  {"sequence", BalanceScope::kSequence},
                  {"window", BalanceScope::kWindow},
                  {"global", BalanceScope::kGlobal}},
                 "what the loads of the balance loss are counted over "
                 "(switchyard explain scopes)");
  set->Add("device_balance_loss_coef", &options->device_coefficient, "X",
           "of DeepSeek-V2's loss of device groups' loads (1 * X at perfect "
           "balance); 0 switches it off");
  set->Add("communication_balance_loss_coef",
           &options->communication_coefficient, "X",
           "of its loss of the tokens that device groups receive; 0 switches "
           "it off");
  set->Add("bias_update_rate", &options->bias_update_rate, "X",
           "after each step lower the bias of experts with more than their "
           "share by X, raise the others'; 0: biases stay (switchyard explain "
           "bias)");
  set->Add("balance_window", &options->window, "G",
           "micro-batches of --balance_scope window; must divide those of a "
           "step",
           "none");
}

}  // namespace

void AddRoutingFlags(TrainFlags* flags, FlagSet* set) {
  TrainOptions& o = flags->options;
  set->Group("Mixture of experts");
  AddExploration(&o.exploration, set);
  AddOverflow(&o.overflow, set);
  AddBalance(&o.balance, set);
  set->Add("balance_loss_coef", &o.model.balance_loss_coef, "X",
           "c of the balance loss of one layer (1 * c at perfect balance); 0 "
           "switches it off",
           "the model's");
  set->Add("router_z_loss_coef", &o.model.router_z_loss_coef, "X",
           "of the router's z-loss; 0 switches it off", "the model's");
  set->Add("expert_dropout", &o.expert_dropout, "X",
           "share of an expert's intermediate activation that is dropped in "
           "training; 0: none");
  set->Add("max_rows_per_rank", &o.max_rows_per_rank, "N",
           "end the run if more rows meet on a rank; 0: no limit");
  set->Add("routing_replay", &o.routing_replay, "FILE",
           "take the experts of every token from a file of --routing_trace");
}

absl::Status CheckFlagsThatNeedExperts(const FlagSet& set,
                                       const TrainOptions& options) {
  SWITCHYARD_RETURN_IF_ERROR(CheckOptionsThatNeedExperts(options));
  if (ExpertLayerCount(options.model) > 0) return absl::OkStatus();
  for (const auto& [name, value] : Coefficients(options)) {
    if (!set.Given(name) || !(value > 0.0)) continue;
    return NeedsExperts(name, absl::StrCat(value));
  }
  return absl::OkStatus();
}

absl::Status ResolveOverflowFlags(const FlagSet& set,
                                  OverflowOptions* options) {
  if (!options->dropless()) return absl::OkStatus();
  for (const char* name : kNeedCapacity) {
    // A run of a file of flags may be repeated without its capacity.
    if (!set.GivenAgainst(name, "capacity_factor")) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --capacity_factor above 0 with --", name,
        ", found 0, which drops nothing; give a factor such as 1.25 or leave "
        "the flag out"));
  }
  OverflowOptions dropless;
  dropless.capacity_factor = options->capacity_factor;
  dropless.eval_capacity_factor = options->eval_capacity_factor;
  *options = dropless;
  return absl::OkStatus();
}

void ResolveBalanceFlags(const FlagSet& set, TrainOptions* options) {
  BalanceOptions& balance = options->balance;
  if (options->model.balance_loss_coef == 0.0 &&
      !set.GivenAgainst("balance_scope", "balance_loss_coef")) {
    balance.scope = BalanceScope::kMicroBatch;
    balance.window = 0;
  }
  if (balance.scope != BalanceScope::kWindow &&
      !set.GivenAgainst("balance_window", "balance_scope")) {
    balance.window = 0;
  }
}

void LeaveOutRoutingFlags(const TrainOptions& options,
                          std::set<std::string>* names) {
  if (options.overflow.dropless()) {
    for (const char* name : kNeedCapacity) names->insert(name);
  }
  if (ExpertLayerCount(options.model) > 0) return;
  for (const auto& [name, value] : Coefficients(options)) {
    if (value > 0.0) names->insert(name);
  }
}

}  // namespace switchyard::launch
