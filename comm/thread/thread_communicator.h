// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks that are threads of one process: no launcher, no MPI, and the same
// rules. Tests of everything that communicates use them, ThreadSanitizer too.
//
//   absl::Status status = comm::RunRanks(4, {}, [](Communicator& world) {
//     return world.Barrier({-1, "hello"}).Wait();
//   });
//
// Each collective is carried out by the rank that calls last. Floating-point
// numbers are added in the order of ranks.
#ifndef SWITCHYARD_COMM_THREAD_THREAD_COMMUNICATOR_H_
#define SWITCHYARD_COMM_THREAD_THREAD_COMMUNICATOR_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/options.h"

namespace switchyard::comm {

// The communicators of ranks 0 to `ranks` - 1; each is for one thread. A rank
// that destroys its own has left: peers that still wait for it fail, and so do
// all their later calls. `ranks` is at least 1 and `options` in range
// (CheckOptions).
std::vector<std::unique_ptr<Communicator>> NewThreadCommunicators(
    int ranks, const Options& options);

// Runs `rank_main` on a thread for each rank and joins them. A rank leaves when
// its function returns. The result is the first error that a rank returned, or
// InvalidArgument, and nothing runs, if `options` are out of range.
absl::Status RunRanks(
    int ranks, const Options& options,
    const std::function<absl::Status(Communicator& world)>& rank_main);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_THREAD_THREAD_COMMUNICATOR_H_
