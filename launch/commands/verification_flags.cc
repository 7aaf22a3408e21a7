// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddVerificationFlags(VerifyFlags* flags, FlagSet* set) {
  TrainFlags& f = flags->train;
  set->Group("Verification");
  set->Add("model", &f.model_path, "PATH",
           "config.json with Mixtral's keys, or a folder that holds one");
  set->Add("data", &f.data, "FILE[,FILE]", "text to train on, read as bytes");
  set->Add("steps", &flags->steps, "N",
           "steps on each layout; in a file of flags, the length of the "
           "schedule");
  set->Add("max_ranks", &flags->max_ranks, "N",
           "compare 2, 4, ... and N ranks, as threads of this process", "4");
  set->Add("seed", &f.options.seed, "S",
           "of initial weights and of the order of the data");
}

// What decides numbers goes to `flags`. Layouts are not the run's own.
void AddFlagsOfRun(TrainFlags* flags, TrainFlags* unused, FlagSet* set) {
  set->InFileOnly();
  set->Add("steps", &flags->options.steps, "N", "");
  set->Add("eval_fraction", &flags->eval_fraction, "X", "");
  AddOutputFlags(unused, set);
  AddHeldOutFlags(unused, set);
  AddCheckpointFlags(unused, set);
  TrainOptions& o = unused->options;
  set->Add("expert_parallel", &o.expert_parallel, "W", "");
  set->Add("threads", &o.threads, "N", "");
  set->Add("eval_capacity_factor", &o.overflow.eval_capacity_factor, "X", "");
}

absl::Status ResolveVerificationSteps(const FlagSet& set, VerifyFlags* flags) {
  int64_t& schedule = flags->train.options.steps;
  if (flags->steps < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --steps of at least 1, found ", flags->steps,
                     "; correct it"));
  }
  if (!set.InFile("steps")) {
    schedule = flags->steps;
  } else if (set.OnCommandLine("steps")) {
    schedule = std::max(schedule, flags->steps);
  } else {
    flags->steps = std::min(schedule, flags->steps);
  }
  for (const std::string& name : set.in_file_only()) {
    if (name == "steps" || name == "eval_fraction") continue;
    flags->passed_over.push_back(name);
  }
  return absl::OkStatus();
}

}  // namespace switchyard::launch
