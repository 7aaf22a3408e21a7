// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The ranks that a launcher started, or this process alone.
#ifndef SWITCHYARD_LAUNCH_WORLD_H_
#define SWITCHYARD_LAUNCH_WORLD_H_

#include <memory>

#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/mpi/mpi_environment.h"

namespace switchyard::launch {

class World {
 public:
  // Alone, no MPI is started. A collective call.
  static absl::StatusOr<World> Start(double timeout_seconds);

  comm::Communicator& communicator() { return *communicator_; }
  int rank() const { return communicator_->rank(); }

 private:
  World() = default;

  std::unique_ptr<comm::MpiEnvironment> mpi_;  // null: alone
  std::unique_ptr<comm::Communicator> communicator_;
};

// This process' rank as its launcher tells it, before anything is started; 0 if
// none does. For errors that come before the ranks can talk.
int LauncherRank();

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_WORLD_H_
