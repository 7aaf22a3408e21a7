// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/from_mpi.h"

#include "switchyard/comm/mpi/mpi_world.h"

namespace switchyard::comm {

absl::StatusOr<std::unique_ptr<Communicator>> NewMpiCommunicator(
    MPI_Comm user_comm, const Options& options) {
  return MakeMpiWorld(user_comm, options);
}

}  // namespace switchyard::comm
