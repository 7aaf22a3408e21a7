// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The MPI requests of one collective. Internal to comm/mpi.
#ifndef SWITCHYARD_COMM_MPI_MPI_REQUESTS_H_
#define SWITCHYARD_COMM_MPI_MPI_REQUESTS_H_

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/base/dtype.h"

namespace switchyard::comm {

// bfloat16 travels as 16-bit integers; it is never reduced.
MPI_Datatype MpiTypeOf(DType dtype);

class MpiRequests {
 public:
  // Forgets all; keeps the memory. None may be under way.
  void Clear();

  // The place for the next request. It is written before the next Add.
  MPI_Request* Add() { return Add(-1, MPI_DATATYPE_NULL); }
  // The same for a receive that must bring exactly `count` elements.
  MPI_Request* AddReceive(int count, MPI_Datatype type) {
    return Add(count, type);
  }

  // Lets MPI make progress. True when all are complete. An error if one failed
  // or brought fewer elements than it must.
  absl::StatusOr<bool> Test();
  // Looks at those behind the one that Test waits for: the first error of any.
  absl::Status TestOthers();

 private:
  MPI_Request* Add(int count, MPI_Datatype type);
  absl::StatusOr<bool> TestOne(size_t i);

  std::vector<MPI_Request> requests_;
  std::vector<int> counts_;  // -1: not a receive
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
  size_t first_ = 0;  // those before it are complete
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_MPI_REQUESTS_H_
