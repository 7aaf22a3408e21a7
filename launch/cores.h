// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which cores the ranks of a job may use, and how many threads that makes.
#ifndef SWITCHYARD_LAUNCH_CORES_H_
#define SWITCHYARD_LAUNCH_CORES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::launch {

// What a rank may use.
struct RankCores {
  int64_t node = 0;
  int64_t mask = 0;   // a hash of the set of cores
  int64_t count = 0;  // cores in it
};

// Of all ranks. A collective call.
absl::StatusOr<std::vector<RankCores>> GatherCores(comm::Communicator& world);

// The share of `rank`: the cores it may use, divided by the ranks of its node
// that may use the same ones; at least 1.
int64_t ShareOfCores(absl::Span<const RankCores> ranks, int rank);

// An error if a rank is to have far more threads than its machine has cores.
absl::Status CheckThreads(int64_t threads);

// A warning if a rank has more threads than cores, else empty.
std::string WarnAboutBinding(absl::Span<const RankCores> ranks,
                             int64_t threads);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_CORES_H_
