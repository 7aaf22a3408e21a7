// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/bench/turns.h"

#include <time.h>

#include <algorithm>
#include <cmath>

#include "switchyard/base/status.h"
#include "switchyard/bench/bench_tensor.h"
#include "switchyard/bench/peak.h"

namespace switchyard::bench {
namespace {

double Now(Clock clock) {
  if (clock == Clock::kWall) return Seconds();
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

absl::StatusOr<std::vector<Runs>> TimeInTurn(
    Stream& stream, comm::Communicator& world, Clock clock, int way_count,
    int turns, const std::function<absl::Status(int)>& way) {
  std::vector<Runs> runs(way_count);
  const BenchTensor longest(stream.device(), DType::kFloat64, {1});
  for (int turn = -1; turn < turns; ++turn) {
    for (int i = 0; i < way_count; ++i) {
      SWITCHYARD_RETURN_IF_ERROR(world.Barrier({-1, "start"}).Wait());
      const double start = Now(clock);
      SWITCHYARD_RETURN_IF_ERROR(way(i));
      stream.Wait();
      double seconds = Now(clock) - start;
      stream.CopyToDevice(longest, &seconds);
      SWITCHYARD_RETURN_IF_ERROR(
          world.AllReduce(stream, longest, comm::ReduceOp::kMax, {-1, "time"})
              .Wait());
      stream.CopyToHost(&seconds, longest);
      stream.Wait();
      if (turn >= 0) runs[i].push_back(seconds);
    }
  }
  return runs;
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] +
         (at - static_cast<double>(below)) * (values[above] - values[below]);
}

}  // namespace switchyard::bench
