// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Deadlines for what ranks do together before they have a world, and after.
// Internal to comm/mpi.
#ifndef SWITCHYARD_COMM_MPI_WAIT_FOR_ALL_H_
#define SWITCHYARD_COMM_MPI_WAIT_FOR_ALL_H_

#include <mpi.h>

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/mpi/mpi_status.h"

namespace switchyard::comm {

// Waits for a collective under way. DeadlineExceeded if it is not complete in
// time: then it stays under way, and MPI has failed (mpi_failure.h).
absl::Status WaitForAll(MPI_Request request, double timeout_seconds);

// `items` has one for each rank of `comm`, of which this rank has filled in its
// own. Fills in the others. T is plain bytes.
template <typename T>
absl::Status GatherFromAll(MPI_Comm comm, std::vector<T>& items,
                           double timeout_seconds) {
  MPI_Request request = MPI_REQUEST_NULL;
  SWITCHYARD_RETURN_IF_MPI_ERROR(
      MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, items.data(),
                     sizeof(T), MPI_BYTE, comm, &request));
  absl::Status status = WaitForAll(request, timeout_seconds);
  // Never freed: MPI may still write into it.
  if (!status.ok()) new std::vector<T>(std::move(items));
  return status;
}

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_WAIT_FOR_ALL_H_
