// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A command on the ranks that a launcher started, or on this process alone,
// from its command line to its exit code.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_RANK_COMMAND_H_
#define SWITCHYARD_LAUNCH_COMMANDS_RANK_COMMAND_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/launch/flags/flag_set.h"

namespace switchyard::launch {

// Parses `arguments` on every rank, and calls `body` where they ask for no
// help. An error of any rank is printed once, and all ranks exit with one.
// `comm_timeout` is where the flag of that name is. `body` is a collective call
// and gives every rank the same status.
int RunOnRanks(FlagSet& flags, absl::Span<const std::string> arguments,
               const double& comm_timeout,
               const std::function<absl::Status(comm::Communicator&)>& body);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_RANK_COMMAND_H_
