// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Collectives as non-blocking MPI calls, cut so that no count exceeds a limit.
// Internal to comm/mpi.
#ifndef SWITCHYARD_COMM_MPI_MPI_CALLS_H_
#define SWITCHYARD_COMM_MPI_MPI_CALLS_H_

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/comm/call.h"
#include "switchyard/comm/mpi/mpi_requests.h"

namespace switchyard::comm {

// The communicator as these functions see it.
struct MpiGroup {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0;
  int size = 0;
  int64_t limit = 0;  // elements in one MPI call
};

// What a collective keeps until it is done. Reused.
struct MpiProgress {
  MpiRequests requests;
  std::vector<int> counts;      // MPI reads them while the call is under way
  std::vector<int> offsets;     // likewise
  std::vector<int> split_keys;  // (color, key) of every rank

  // Reduce-scatter: this rank's part as each rank has it, by rank; those of the
  // others are received into `scratch`, which never shrinks.
  std::vector<const std::byte*> parts;
  std::vector<std::byte> scratch;
};

// Starts `call`, the group's call number `sequence`.
absl::Status StartMpiCall(const MpiGroup& group, int64_t sequence,
                          const Call& call, MpiProgress& progress);

// What is left to do once all requests are complete.
void FinishMpiCall(const MpiGroup& group, const Call& call,
                   const MpiProgress& progress);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_MPI_CALLS_H_
