// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/world.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/mpi/launcher.h"
#include "switchyard/comm/self/self_communicator.h"

namespace switchyard::launch {

absl::StatusOr<World> World::Start(double timeout_seconds) {
  World world;
  if (comm::StartedByLauncher()) {
    comm::Options options;
    options.timeout_seconds = timeout_seconds;
    SWITCHYARD_ASSIGN_OR_RETURN(world.mpi_,
                                comm::MpiEnvironment::Start(timeout_seconds));
    SWITCHYARD_ASSIGN_OR_RETURN(world.communicator_,
                                comm::NewMpiWorld(options));
  } else {
    world.communicator_ = comm::NewSelfCommunicator();
  }
  SetThreadRank(world.rank());
  return world;
}

int LauncherRank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                           "MV2_COMM_WORLD_RANK", "SLURM_PROCID"}) {
    const char* value = std::getenv(name);
    int rank = 0;
    if (value != nullptr && absl::SimpleAtoi(value, &rank)) return rank;
  }
  return 0;
}

}  // namespace switchyard::launch
