// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// MPI is one per process, and so is this: the first failure of a collective. A
// failed collective leaves requests behind that MPI could still carry out, into
// buffers that their owners have given back, during any later MPI call: so no
// world of the process makes one, and MPI is not finalised. Internal to
// comm/mpi.
#ifndef SWITCHYARD_COMM_MPI_MPI_FAILURE_H_
#define SWITCHYARD_COMM_MPI_MPI_FAILURE_H_

#include "absl/status/status.h"

namespace switchyard::comm {

// Keeps the first one.
void NoteMpiFailure(const absl::Status& failure);
// Cheap while there is none.
bool MpiHasFailed();
// OK if there is none.
absl::Status FirstMpiFailure();

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_MPI_FAILURE_H_
