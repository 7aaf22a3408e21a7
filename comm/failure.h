// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Why a collective fails, and what calls on a dead group return. The causes
// complete "call 5 of group world ..." (ledger/report.h).
#ifndef SWITCHYARD_COMM_FAILURE_H_
#define SWITCHYARD_COMM_FAILURE_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace switchyard::comm {

inline absl::Status MismatchError() {
  return absl::FailedPreconditionError("does not match on all ranks");
}

inline absl::Status DeadlineError(double timeout_seconds) {
  return absl::DeadlineExceededError(
      absl::StrCat("is not complete after ", timeout_seconds, " s"));
}

// One short line that refers to `first`, which carries the whole report.
inline absl::Status LaterFailure(const absl::Status& first) {
  const absl::string_view report = first.message();
  return absl::Status(first.code(),
                      absl::StrCat("the ranks' communication failed before: ",
                                   report.substr(0, report.find('\n'))));
}

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_FAILURE_H_
