// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_cat.h"
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddEvaluationFlags(TrainFlags* flags, FlagSet* set) {
  set->Group("Evaluation");
  set->Add("eval_fraction", &flags->eval_fraction, "X",
           "share of each data file, from its end, that is held out");
  AddHeldOutFlags(flags, set);
}

void AddHeldOutFlags(TrainFlags* flags, FlagSet* set) {
  TrainOptions& o = flags->options;
  set->Add("eval_data", &flags->eval_data, "FILE[,FILE]", "held-out text");
  set->Add("eval_every", &o.eval_every, "N",
           "steps between evaluations; 0: never",
           "100 if there is held-out text");
  set->Add("eval_batches", &o.eval_batches, "N",
           "global batches of an evaluation; 0: all held-out text");
}

absl::Status CheckEvaluationFlags(const FlagSet& set, const TrainFlags& flags) {
  const bool held_out = !flags.eval_data.empty() || flags.eval_fraction > 0.0;
  if (set.GivenAgainst("eval_capacity_factor", "eval_fraction") && !held_out) {
    return absl::InvalidArgumentError(
        "expected held-out text with --eval_capacity_factor, found none; give "
        "--eval_data or --eval_fraction, or leave the flag out");
  }
  if (set.GivenAgainst("eval_batches", "eval_fraction") && !held_out) {
    return absl::InvalidArgumentError(
        "expected held-out text with --eval_batches, found none; give "
        "--eval_data or --eval_fraction, or leave the flag out");
  }
  if (flags.eval_fraction > 0.0 && set.Given("eval_every") &&
      flags.options.eval_every == 0) {
    return absl::InvalidArgumentError(
        "expected evaluations of what --eval_fraction holds out, found "
        "--eval_every 0; set one of them otherwise");
  }
  if (!flags.eval_data.empty() && flags.eval_fraction > 0.0) {
    return absl::InvalidArgumentError(
        "expected --eval_data or --eval_fraction, found both; give one");
  }
  if (flags.eval_fraction >= 1.0 || flags.eval_fraction < 0.0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --eval_fraction of at least 0 and below 1, found ",
        flags.eval_fraction, "; correct it"));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::launch
