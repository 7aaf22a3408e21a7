// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_cat.h"
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddPlanFlags(TrainFlags* flags, FlagSet* set) {
  set->Group("Plan");
  set->Add("dry_run", &flags->dry_run, "",
           "check everything, print the plan and stop; needs no data");
  set->Add("ranks", &flags->ranks, "N", "plan for this many ranks",
           "those that run");
  set->Add("ranks_per_node", &flags->ranks_per_node, "N",
           "plan for nodes of this many ranks", "--ranks");
}

absl::Status ResolvePlanFlags(const FlagSet& set, TrainFlags* flags) {
  const bool plan = set.Given("ranks") || set.Given("ranks_per_node");
  if (plan && !flags->dry_run) {
    return absl::InvalidArgumentError(
        "expected --dry_run with --ranks or --ranks_per_node, found none; "
        "start ranks with mpirun -n R or srun");
  }
  if (set.Given("ranks_per_node") && !set.Given("ranks")) {
    return absl::InvalidArgumentError(
        "expected --ranks with --ranks_per_node, found none; give both");
  }
  if (set.Given("ranks") && !set.Given("ranks_per_node")) {
    flags->ranks_per_node = flags->ranks;
  }
  const int64_t ranks = flags->ranks, per_node = flags->ranks_per_node;
  if (!set.Given("ranks")) return absl::OkStatus();
  if (ranks < 1 || ranks > (1 << 20) || per_node < 1 || ranks % per_node != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --ranks between 1 and ", 1 << 20,
                     " that --ranks_per_node divides, found ", ranks, " and ",
                     per_node, "; correct them"));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::launch
