// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/rank_command.h"

#include <new>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/out_of_memory.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/messages.h"
#include "switchyard/launch/signal_reporter.h"
#include "switchyard/launch/version.h"
#include "switchyard/launch/world.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::launch {
namespace {

// Ranks that were started with other flags would make other calls.
absl::Status CheckSameFlags(const FlagSet& flags, comm::Communicator& world) {
  uint64_t key =
      MixKey(flags.help_requested() ? 1 : 0, flags.version_requested() ? 1 : 0);
  for (const auto& [name, value] : flags.Values()) {
    if (name == "threads") continue;  // a rank's own affair
    key = MixKey(MixKey(key, name), value);
  }
  const int64_t mine = static_cast<int64_t>(key);
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world, {&mine, 1}));
  const std::string difference = DifferenceOfRanks(world, all, 1, 0, nullptr);
  if (difference.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("expected the same flags on all ranks, ", difference,
                   "; start all ranks with the same command line"));
}

absl::Status Start(const FlagSet& flags, const absl::Status& parsed,
                   const std::function<absl::Status(comm::Communicator&)>& body,
                   comm::Communicator& world) {
  const SignalReporter reporter(world);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, parsed));
  SWITCHYARD_RETURN_IF_ERROR(CheckSameFlags(flags, world));
  const bool speaks = world.rank() == 0;
  if (!flags.help_requested() && !flags.version_requested()) return body(world);
  const std::string text = flags.help_requested()
                               ? flags.Help()
                               : absl::StrCat("switchyard ", Version(), "\n");
  return AgreeOnStatus(world, speaks ? WriteOutput(text) : absl::OkStatus());
}

}  // namespace

int RunOnRanks(FlagSet& flags, absl::Span<const std::string> arguments,
               const double& comm_timeout,
               const std::function<absl::Status(comm::Communicator&)>& body) {
  SignalReporter::BlockSignals();
  std::set_new_handler([] { EndOutOfMemory(0); });
  const double usual_timeout = comm_timeout;
  const absl::Status parsed = flags.Parse(arguments);
  absl::StatusOr<World> world =
      World::Start(parsed.ok() ? comm_timeout : usual_timeout);
  if (!world.ok()) {
    if (LauncherRank() == 0) Complain("", world.status().message());
    return 1;
  }
  comm::Communicator& ranks = world->communicator();
  return Finish(Start(flags, parsed, body, ranks), ranks);
}

}  // namespace switchyard::launch
