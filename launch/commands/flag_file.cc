// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <string>

#include "switchyard/launch/commands/flag_groups.h"
#include "switchyard/launch/commands/routing_flags.h"
#include "switchyard/launch/commands/train_flags.h"

namespace switchyard::launch {
namespace {

// Those that would be refused when read back, that belong to one call, or that
// are not derived yet.
std::set<std::string> NotInFile(const TrainFlags& flags) {
  const TrainOptions& options = flags.options;
  const struct {
    const char* name;
    bool left_out;
  } rules[] = {
      {"dry_run", true},
      {"ranks", true},
      {"ranks_per_node", true},
      {"decay_fraction", options.schedule != Schedule::kWarmupStableDecay},
      {"min_lr_ratio", options.schedule == Schedule::kConstant},
      {"stop_at", options.stop_at == 0},
      {"routing_trace", true},
      {"resume", true},
      {"checkpoint_every", options.checkpoint_every == 0},
      {"keep", options.checkpoint_every == 0},
      {"expert_parallel", options.expert_parallel == 0},
      {"threads", options.threads == 0},
      {"eval_fraction", !options.has_eval_data},
      {"eval_every", !options.has_eval_data},
      {"eval_batches", !options.has_eval_data},
      {"eval_capacity_factor", !options.has_eval_data},
  };
  std::set<std::string> names;
  for (const auto& rule : rules) {
    if (rule.left_out) names.insert(rule.name);
  }
  LeaveOutRoutingFlags(options, &names);
  return names;
}

}  // namespace

std::map<std::string, std::string> FlagValues(const TrainFlags& flags) {
  TrainFlags registered = flags;
  FlagSet set("switchyard train", "");
  AddTrainFlags(&registered, &set);
  return set.Values();
}

std::string FlagFileOf(const TrainFlags& flags) {
  TrainFlags registered = flags;
  FlagSet set("switchyard train", "");
  AddTrainFlags(&registered, &set);
  return set.ToFlagFile(NotInFile(flags));
}

}  // namespace switchyard::launch
