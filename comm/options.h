// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a caller may choose about a world of ranks. Groups made by Split inherit
// it.
#ifndef SWITCHYARD_COMM_OPTIONS_H_
#define SWITCHYARD_COMM_OPTIONS_H_

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"

namespace switchyard::comm {

struct Options {
  // How long one Wait may take before the ranks that are missing are reported.
  // Above 0 and at most kMaxTimeoutSeconds (30 years).
  double timeout_seconds = 600;

  // Where ranks keep their ledgers (ledger.h). Empty: the first of /dev/shm,
  // $TMPDIR and /tmp that can be written.
  std::string ledger_directory;

  // The most elements handed to the message library in one call; more are sent
  // in several. MPI 3 counts with int: from 1 to 2^31 - 1. Tests lower it.
  int64_t max_call_elements = std::numeric_limits<int32_t>::max();
};

inline constexpr double kMaxTimeoutSeconds = 1e9;

// InvalidArgument, with the field's name, if one is out of its range. Whoever
// makes a world asks.
absl::Status CheckOptions(const Options& options);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_OPTIONS_H_
