// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// MPI is one per process, and so is this: whether a collective has failed,
// after which MPI must not be finalised. Internal to comm/mpi.
#ifndef SWITCHYARD_COMM_MPI_MPI_FAILURE_H_
#define SWITCHYARD_COMM_MPI_MPI_FAILURE_H_

namespace switchyard::comm {

void NoteMpiFailure();
bool MpiHasFailed();

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_MPI_FAILURE_H_
