// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What calls on a dead group return.
#ifndef SWITCHYARD_COMM_FAILURE_H_
#define SWITCHYARD_COMM_FAILURE_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace switchyard::comm {

// One short line that refers to `first`, which carries the whole report.
inline absl::Status LaterFailure(const absl::Status& first) {
  const absl::string_view report = first.message();
  return absl::Status(first.code(),
                      absl::StrCat("the ranks' communication failed before: ",
                                   report.substr(0, report.find('\n'))));
}

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_FAILURE_H_
