// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_cat.h"
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddOptimizerFlags(TrainFlags* flags, FlagSet* set) {
  TrainOptions& o = flags->options;
  set->Group("Optimizer");
  set->Add("lr", &o.lr, "X", "peak learning rate");
  set->AddChoice("schedule", &o.schedule,
                 {{"cosine", Schedule::kCosine},
                  {"constant", Schedule::kConstant},
                  {"wsd", Schedule::kWarmupStableDecay}},
                 "of the learning rate after the warm-up");
  set->Add("warmup_steps", &o.warmup_steps, "N",
           "steps over which the learning rate rises",
           "a tenth of --steps, at most 100");
  set->Add("min_lr_ratio", &o.min_lr_ratio, "X",
           "end of the schedule as a share of --lr");
  set->Add("decay_fraction", &o.decay_fraction, "X",
           "share of --steps over which wsd falls");
  set->Add("weight_decay", &o.weight_decay, "X",
           "AdamW's, on matrices and embeddings");
  set->Add("decay_norms", &o.decay_norms, "", "decay norms and biases too");
  set->Add("beta1", &o.beta1, "X", "AdamW's");
  set->Add("beta2", &o.beta2, "X", "AdamW's");
  set->Add("adam_eps", &o.adam_eps, "X", "AdamW's");
  set->Add("clip_norm", &o.clip_norm, "X",
           "clip gradients to this global norm; 0 switches it off");
  set->AddChoice("bad_gradient", &o.bad_gradient,
                 {{"stop", BadGradient::kStop}, {"skip", BadGradient::kSkip}},
                 "what a gradient does that is not finite or too large");
}

absl::Status CheckOptimizerFlags(const FlagSet& set, const TrainFlags& flags) {
  const Schedule schedule = flags.options.schedule;
  if (set.GivenAgainst("decay_fraction", "schedule") &&
      schedule != Schedule::kWarmupStableDecay) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --schedule wsd with --decay_fraction, found ",
        NameOf(schedule), "; change the schedule or leave the flag out"));
  }
  if (set.GivenAgainst("min_lr_ratio", "schedule") &&
      schedule == Schedule::kConstant) {
    return absl::InvalidArgumentError(
        "expected --schedule cosine or wsd with --min_lr_ratio, found "
        "constant; change the schedule or leave the flag out");
  }
  return absl::OkStatus();
}

}  // namespace switchyard::launch
