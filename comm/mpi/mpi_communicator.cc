// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/mpi_communicator.h"

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include "switchyard/base/status.h"
#include "switchyard/comm/end_process.h"
#include "switchyard/comm/failure.h"
#include "switchyard/comm/mpi/mpi_status.h"
#include "switchyard/comm/wait_clock.h"

namespace switchyard::comm {

MpiCommunicator::MpiCommunicator(const Options& options,
                                 std::shared_ptr<ledger::RankLedger> ledger,
                                 const GroupIdentity& identity, MPI_Comm comm,
                                 int rank, std::vector<Member> members)
    : RecordedCommunicator(std::move(ledger), identity, rank,
                           std::move(members)),
      options_(options) {
  group_.comm = comm;
  group_.rank = rank;
  group_.size = size();
  group_.limit = options_.max_call_elements;
}

MpiCommunicator::~MpiCommunicator() {
  DropTransport();
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized == 0 && !dead()) MPI_Comm_free(&group_.comm);
}

void MpiCommunicator::Abort(const std::string& message) {
  EndProcess(message, [this] {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0) MPI_Abort(group_.comm, EXIT_FAILURE);
  });
}

std::unique_ptr<RecordedCommunicator::Pending> MpiCommunicator::NewPending() {
  return std::make_unique<MpiPending>();
}

absl::Status MpiCommunicator::Start(Pending& pending) {
  if (dead()) return LaterFailure(FirstMpiFailure());
  const absl::Status status =
      StartMpiCall(group_, pending.sequence, pending.call,
                   static_cast<MpiPending&>(pending).progress);
  return status.ok() ? status : Fail(pending, status);
}

absl::Status MpiCommunicator::Finish(Pending& pending) {
  if (dead()) return FirstMpiFailure();
  MpiProgress& progress = static_cast<MpiPending&>(pending).progress;
  const absl::Status status = Poll(static_cast<MpiPending&>(pending));
  if (!status.ok()) return Fail(pending, status);
  // MPI may complete calls that do not match, with wrong results.
  if (!record().AgreesWithNeighbours(pending.sequence)) {
    return Fail(pending, MismatchError());
  }
  FinishMpiCall(group_, pending.call, progress);
  return absl::OkStatus();
}

bool MpiCommunicator::Advance(Pending& pending) {
  const absl::StatusOr<bool> done =
      static_cast<MpiPending&>(pending).progress.requests.Test();
  if (!done.ok()) pending.status = Fail(pending, done.status());
  return !done.ok() || *done;
}

// Yields between turns: ranks may outnumber cores. Reading the clock costs
// about as much as a turn, so it is done on few. Once a second it is seen
// whether the wait is in vain: it should not last until the deadline.
absl::Status MpiCommunicator::Poll(MpiPending& pending) {
  constexpr int kTurnsPerLook = 64;
  MpiRequests& requests = pending.progress.requests;
  WaitClock clock(options_.timeout_seconds);
  for (int turn = 1;; ++turn) {
    SWITCHYARD_ASSIGN_OR_RETURN(const bool done, requests.Test());
    if (done) return absl::OkStatus();
    std::this_thread::yield();
    if (turn % kTurnsPerLook != 0) continue;
    switch (clock.Look()) {
      case WaitClock::kGoOn:
        break;
      case WaitClock::kLookAround:
        SWITCHYARD_RETURN_IF_ERROR(LookForTrouble(pending));
        break;
      case WaitClock::kLate:
        SWITCHYARD_RETURN_IF_ERROR(requests.TestOthers());
        return DeadlineError(options_.timeout_seconds);
    }
  }
}

absl::Status MpiCommunicator::Fail(const Pending& pending,
                                   const absl::Status& cause) {
  const absl::Status failure = record().Explain(pending.sequence, cause);
  record().ledger().NoteFailed();
  NoteMpiFailure(failure);
  return failure;
}

absl::StatusOr<std::unique_ptr<Communicator>> MpiCommunicator::MakeChild(
    const Pending& split, const GroupIdentity& identity) {
  const std::vector<int>& keys =
      static_cast<const MpiPending&>(split).progress.split_keys;
  // The ranks of this rank's color, by (key, rank).
  std::vector<int> ranks;
  for (int r = 0; r < size(); ++r) {
    if (keys[2 * r] == split.call.color) ranks.push_back(r);
  }
  std::stable_sort(ranks.begin(), ranks.end(), [&](int a, int b) {
    return keys[2 * a + 1] < keys[2 * b + 1];
  });
  std::vector<Member> members;
  int new_rank = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    members.push_back(this->members()[ranks[i]]);
    if (ranks[i] == rank()) new_rank = static_cast<int>(i);
  }
  // MPI's colors are not negative; the least rank of a color names it.
  const int color = *std::min_element(ranks.begin(), ranks.end());
  MPI_Comm child = MPI_COMM_NULL;
  const absl::Status status = MpiStatus(
      MPI_Comm_split(group_.comm, color, new_rank, &child), "MPI_Comm_split");
  if (!status.ok()) return Fail(split, status);
  MPI_Comm_set_errhandler(child, MPI_ERRORS_RETURN);
  return std::make_unique<MpiCommunicator>(options_, record().shared_ledger(),
                                           identity, child, new_rank,
                                           std::move(members));
}

}  // namespace switchyard::comm
