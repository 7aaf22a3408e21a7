// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// MPI's error codes as statuses. Internal to comm/mpi.
#ifndef SWITCHYARD_COMM_MPI_MPI_STATUS_H_
#define SWITCHYARD_COMM_MPI_MPI_STATUS_H_

#include <mpi.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace switchyard::comm {

inline std::string MpiErrorText(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return std::string(text, static_cast<size_t>(length));
}

// `call` begins with the function's name, which the message says.
inline absl::Status MpiStatus(int code, absl::string_view call) {
  if (code == MPI_SUCCESS) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(call.substr(0, call.find('(')),
                                             " failed: ", MpiErrorText(code)));
}

}  // namespace switchyard::comm

// Makes an MPI call and returns from the function if it fails. Every MPI call
// that can fail goes through it.
#define SWITCHYARD_RETURN_IF_MPI_ERROR(call) \
  SWITCHYARD_RETURN_IF_ERROR(::switchyard::comm::MpiStatus((call), #call))

#endif  // SWITCHYARD_COMM_MPI_MPI_STATUS_H_
