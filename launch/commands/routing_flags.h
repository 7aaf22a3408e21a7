// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The flags of `switchyard train` that decide about experts.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_ROUTING_FLAGS_H_
#define SWITCHYARD_LAUNCH_COMMANDS_ROUTING_FLAGS_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "switchyard/launch/commands/train_flags.h"
#include "switchyard/launch/flags/flag_set.h"
#include "switchyard/runtime/moe/overflow_options.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard::launch {

void AddRoutingFlags(TrainFlags* flags, FlagSet* set);
// An error for one that was given to a model without experts, unless it is what
// it would be anyway. The model has been read.
absl::Status CheckFlagsThatNeedExperts(const FlagSet& set,
                                       const TrainOptions& options);
// An error for one that was given and has no effect. Those of a file of flags
// that is used without its capacity are put back.
absl::Status ResolveOverflowFlags(const FlagSet& set, OverflowOptions* options);
// Scope and window of a file of flags that is used without its balance loss, or
// with another scope, are put back.
void ResolveBalanceFlags(const FlagSet& set, TrainOptions* options);
// Adds the names of those that would be refused if they were read back.
void LeaveOutRoutingFlags(const TrainOptions& options,
                          std::set<std::string>* names);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_ROUTING_FLAGS_H_
