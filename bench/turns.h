// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Times the ways of doing one thing in turn (A B C A B C ...), so that a load
// on the machine that comes and goes hits all of them.
#ifndef SWITCHYARD_BENCH_TURNS_H_
#define SWITCHYARD_BENCH_TURNS_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::bench {

enum class Clock {
  // Time as it passes: where ranks wait for each other.
  kWall,
  // Time that the calling thread had a core: for arithmetic. Other programs'
  // turns on the core are left out.
  kThread,
};

// Seconds of every run of one way, each of the rank that took longest.
using Runs = std::vector<double>;

// `way(i)` runs way i. All ranks start each run together, and all get the same
// times. One turn before the first is not counted.
absl::StatusOr<std::vector<Runs>> TimeInTurn(
    Stream& stream, comm::Communicator& world, Clock clock, int way_count,
    int turns, const std::function<absl::Status(int)>& way);

// The value below which a share `q` of the values lies.
double Quantile(std::vector<double> values, double q);
inline double Median(const Runs& runs) { return Quantile(runs, 0.5); }

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_TURNS_H_
