// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/mpi_requests.h"

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/mpi/mpi_status.h"

namespace switchyard::comm {

MPI_Datatype MpiTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return MPI_FLOAT;
    case DType::kBFloat16:
      return MPI_UINT16_T;
    case DType::kFloat64:
      return MPI_DOUBLE;
    case DType::kInt32:
      return MPI_INT32_T;
    case DType::kInt64:
      return MPI_INT64_T;
    case DType::kUInt8:
      return MPI_UINT8_T;
  }
  return MPI_DATATYPE_NULL;
}

void MpiRequests::Clear() {
  requests_.clear();
  counts_.clear();
  first_ = 0;
}

MPI_Request* MpiRequests::Add(int count, MPI_Datatype type) {
  requests_.push_back(MPI_REQUEST_NULL);
  counts_.push_back(count);
  if (count >= 0) type_ = type;
  return &requests_.back();
}

absl::StatusOr<bool> MpiRequests::Test() {
  while (first_ < requests_.size()) {
    SWITCHYARD_ASSIGN_OR_RETURN(const bool done, TestOne(first_));
    if (!done) return false;
    ++first_;
  }
  return true;
}

absl::Status MpiRequests::TestOthers() {
  for (size_t i = first_; i < requests_.size(); ++i) {
    SWITCHYARD_RETURN_IF_ERROR(TestOne(i).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> MpiRequests::TestOne(size_t i) {
  if (requests_[i] == MPI_REQUEST_NULL) return true;
  int done = 0;
  MPI_Status status;
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Test(&requests_[i], &done, &status));
  if (done == 0) return false;
  if (counts_[i] >= 0) {
    int count = 0;
    SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Get_count(&status, type_, &count));
    if (count != counts_[i]) {
      return absl::FailedPreconditionError(
          absl::StrCat("rank ", status.MPI_SOURCE, " sent ", count,
                       " elements where ", counts_[i], " were expected"));
    }
  }
  return true;
}

}  // namespace switchyard::comm
