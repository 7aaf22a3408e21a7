// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>
#include <thread>

#include "switchyard/base/status.h"
#include "switchyard/tests/conformance/implementation.h"
#include "switchyard/tests/conformance/shared_counters.h"

namespace switchyard::comm {
namespace {

constexpr Caller kCaller = {-1, "barrier"};

class BarrierTest : public ConformanceTest {};

// What the ranks of one round count.
struct Round {
  explicit Round(int late_rank)
      : late(late_rank), begun(2 * late_rank), came(2 * late_rank + 1) {}
  int late;   // the rank that comes last
  int begun;  // ranks that have begun their barrier
  int came;   // 1 once the late rank is about to begin its own
};

absl::Status ComeLast(Rank& rank, const Round& round,
                      SharedCounters& counters) {
  SWITCHYARD_RETURN_IF_ERROR(
      counters.AwaitAtLeast(round.begun, rank.size() - 1));
  // A Wait that does not wait has long returned by then.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  counters.Add(round.came);
  return rank.world.Barrier(kCaller).Wait();
}

absl::Status ComeBefore(Rank& rank, const Round& round,
                        SharedCounters& counters) {
  Ticket ticket = rank.world.Barrier(kCaller);
  EXPECT_FALSE(ticket.Poll()) << "rank " << round.late << " has not come yet";
  counters.Add(round.begun);
  const absl::Status status = ticket.Wait();
  EXPECT_EQ(counters.Get(round.came), 1)
      << "let through before rank " << round.late << " came";
  return status;
}

TEST_P(BarrierTest, NobodyIsLetThroughBeforeTheLastHasCome) {
  OnEveryRank([](Rank& rank) -> absl::Status {
    SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<SharedCounters> counters,
                                SharedCounters::Open(rank));
    for (int late = 0; late < rank.size(); ++late) {
      const Round round(late);
      SWITCHYARD_RETURN_IF_ERROR(rank.rank() == late
                                     ? ComeLast(rank, round, *counters)
                                     : ComeBefore(rank, round, *counters));
    }
    return absl::OkStatus();
  });
}

INSTANTIATE_TEST_SUITE_P(All, BarrierTest,
                         ::testing::ValuesIn(Implementations()), NameOfParam);

}  // namespace
}  // namespace switchyard::comm
