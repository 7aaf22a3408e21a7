// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// For programs that have a communicator of their own. The one public header
// that includes mpi.h; nothing of Switchyard includes it.
#ifndef SWITCHYARD_COMM_MPI_FROM_MPI_H_
#define SWITCHYARD_COMM_MPI_FROM_MPI_H_

#include <mpi.h>

#include <memory>

#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/options.h"

namespace switchyard::comm {

// A world of the ranks of `user_comm`, which is duplicated and may be freed
// afterwards. Ranks are ordered by node, so they may differ from `user_comm`'s.
// A collective call of its ranks; MPI must be up with MPI_THREAD_FUNNELED or
// more. Errors are those of NewMpiWorld (mpi_environment.h).
//
// Set MPI_ERRORS_RETURN on MPI_COMM_WORLD before: Open MPI tells it of errors
// of all non-blocking collectives, and its default is to end the job, without a
// report.
//
// After a communicator has returned an error, the transfers of the failed call
// may still be under way in MPI, and no world of this process makes an MPI call
// again. Nor should the program: MPI could write into memory that was given
// back. What is left is MPI_Abort, or to exit.
absl::StatusOr<std::unique_ptr<Communicator>> NewMpiCommunicator(
    MPI_Comm user_comm, const Options& options);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_FROM_MPI_H_
