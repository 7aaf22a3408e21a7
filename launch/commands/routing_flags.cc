// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/routing_flags.h"

namespace switchyard::launch {

void AddExplorationFlags(ExplorationOptions*, FlagSet*) {}

void AddOverflowFlags(OverflowOptions* options, FlagSet* set) {
  set->Add("capacity_factor", &options->capacity_factor, "X",
           "an expert takes at most X times its even share of a micro-batch; "
           "0 drops nothing");
}

void AddBalanceFlags(BalanceOptions* options, FlagSet* set) {
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

}  // namespace switchyard::launch
