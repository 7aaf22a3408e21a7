// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// MPI in a process that may not be ours. A program that starts as ranks under
// mpirun or srun keeps an environment for as long as it communicates:
//
//   SWITCHYARD_ASSIGN_OR_RETURN(auto mpi, comm::MpiEnvironment::Start());
//   SWITCHYARD_ASSIGN_OR_RETURN(auto world, comm::NewMpiWorld({}));
//
// No mpi.h here: who holds an MPI_Comm of his own uses from_mpi.h.
#ifndef SWITCHYARD_COMM_MPI_MPI_ENVIRONMENT_H_
#define SWITCHYARD_COMM_MPI_MPI_ENVIRONMENT_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/options.h"

namespace switchyard::comm {

class MpiEnvironment {
 public:
  // Starts MPI with MPI_THREAD_FUNNELED, and errors that are returned, unless
  // it is up already.
  // FailedPrecondition if it was finalised before (it cannot start twice), if
  // it is up with a lower thread level, if the caller is not MPI's main thread,
  // or if the process was started as one of several ranks by a launcher that is
  // not this MPI's: it would run as many times over, each alone.
  // `timeout_seconds` is how long the destructor waits for the other ranks.
  static absl::StatusOr<std::unique_ptr<MpiEnvironment>> Start(
      double timeout_seconds = 600);

  // Finalises MPI if Start started it, when all ranks have come here. If one
  // does not, which is said on stderr, or if a communicator has failed, MPI
  // stays up: finalising would wait for ever, and mpirun ends a job of which a
  // rank exits without it.
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

 private:
  MpiEnvironment(bool started, double timeout_seconds)
      : started_(started), timeout_seconds_(timeout_seconds) {}

  const bool started_;
  const double timeout_seconds_;
};

// A communicator of all ranks of the job. Its ranks are ordered by node
// whatever the launcher's mapping: nodes by their first rank in MPI_COMM_WORLD,
// ranks of a node as there. A collective call of all ranks; MPI must be up
// (FailedPrecondition). InvalidArgument if `options` are out of range;
// DeadlineExceeded if not all ranks make the call in time; Unavailable if MPI
// fails or a rank cannot make its ledger, which all ranks are told.
absl::StatusOr<std::unique_ptr<Communicator>> NewMpiWorld(
    const Options& options);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_MPI_ENVIRONMENT_H_
