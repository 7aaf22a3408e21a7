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

void AddBalanceFlags(BalanceOptions*, FlagSet*) {}

}  // namespace switchyard::launch
