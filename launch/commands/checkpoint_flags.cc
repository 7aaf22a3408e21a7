// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddCheckpointFlags(TrainFlags* flags, FlagSet* set) {
  set->Group("Checkpoints");
  set->Add("checkpoint_every", &flags->options.checkpoint_every, "N",
           "write a checkpoint every N steps and at the end, beside training; "
           "0: none");
  set->Add("keep", &flags->keep, "N",
           "keep the N newest checkpoints; 0: all of them");
  set->Add("resume", &flags->resume, "auto|PATH",
           "go on from a checkpoint, bit for bit, on any layout; auto: from "
           "the newest one of --out, or from the beginning if there is none");
  set->Add("init_from", &flags->init_from, "PATH",
           "begin with the weights of a checkpoint, at step 0 with a fresh "
           "optimizer; its model is the default of --model");
}

absl::Status CheckCheckpointFlags(const FlagSet& set, const TrainFlags& flags) {
  for (const auto& [name, value] : {std::pair("resume", &flags.resume),
                                    std::pair("init_from", &flags.init_from)}) {
    if (!set.Given(name) || !value->empty()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("expected a path for --", name,
                     ", found an empty text; give one or leave the flag out"));
  }
  if (set.OnCommandLine("keep") && flags.options.checkpoint_every == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --checkpoint_every with --keep ", flags.keep,
                     ", found none; give it or leave --keep out"));
  }
  const bool from_path = !flags.resume.empty() && flags.resume != kResumeAuto;
  if (from_path && !flags.init_from.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --resume PATH, which goes on with a run, or --init_from, "
        "which begins another with its weights, found both; leave one out, or "
        "give --resume ",
        kResumeAuto,
        ", which looks at --init_from where "
        "there is no checkpoint yet"));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::launch
