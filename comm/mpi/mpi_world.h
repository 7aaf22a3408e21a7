// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How a world is made of an MPI communicator. Internal to comm/mpi.
#ifndef SWITCHYARD_COMM_MPI_MPI_WORLD_H_
#define SWITCHYARD_COMM_MPI_MPI_WORLD_H_

#include <mpi.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/options.h"

namespace switchyard::comm {

// Whether MPI is up and this thread may call it (docs/adr/0001).
absl::Status CheckMpiThread();

// The world of the ranks of `user_comm` (from_mpi.h).
absl::StatusOr<std::unique_ptr<Communicator>> MakeMpiWorld(
    MPI_Comm user_comm, const Options& options);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_MPI_WORLD_H_
