// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the ranks of a thread communicator share: the calls that not all of them
// have made, or waited for, yet.
#ifndef SWITCHYARD_COMM_THREAD_THREAD_GROUP_H_
#define SWITCHYARD_COMM_THREAD_THREAD_GROUP_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/comm/call.h"
#include "switchyard/comm/ledger/rank_ledger.h"
#include "switchyard/comm/options.h"

namespace switchyard::comm {

// Shared by a world and every group split off it. One failure ends all of them:
// ranks of one group may be waiting for a rank that is stuck in another.
struct ThreadJob {
  ThreadJob(const Options& options_in,
            std::vector<std::shared_ptr<ledger::RankLedger>> ledgers_in)
      : options(options_in), ledgers(std::move(ledgers_in)) {}

  const Options options;
  // By rank. Kept here because ranks read those of ranks that have left.
  const std::vector<std::shared_ptr<ledger::RankLedger>> ledgers;
  std::mutex mutex;  // guards everything below and every group's calls
  std::condition_variable changed;
  absl::Status failure;  // the first one, with the report
};

class ThreadGroup {
 public:
  ThreadGroup(std::shared_ptr<ThreadJob> job, std::vector<Member> members);

  const std::vector<Member>& members() const { return members_; }
  int size() const { return static_cast<int>(members_.size()); }

  // `record` is the calling rank's, for reports.
  using Record = ledger::GroupLedger;
  // Rank `rank` makes its call number `sequence`. The last rank to come carries
  // it out. An error ends the job.
  absl::Status Arrive(int64_t sequence, int rank, const Call& call,
                      const Record& record);
  // Blocks until call `sequence` is done, or the job has failed.
  absl::Status Await(int64_t sequence, int rank, const Record& record);
  // Whether Await would return at once: done, or failed.
  bool IsDone(int64_t sequence);
  // After a failure: returns when no rank carries out call `sequence`, so that
  // its buffers may go.
  void Settle(int64_t sequence);
  // The group of `color` that split call `sequence` made. Each rank asks once,
  // after Await.
  std::shared_ptr<ThreadGroup> TakeChild(int64_t sequence, int color);
  // Rank `rank` makes no more calls in this group.
  void Leave(int rank);
  bool failed() const;
  // Why; OK if it has not.
  absl::Status failure() const;
  // Ends the job, if it has not ended, because call `sequence` failed.
  absl::Status EndJob(int64_t sequence, const Record& record,
                      const absl::Status& cause);

 private:
  struct Meeting {
    int64_t sequence = 0;  // 0: free
    int arrived_count = 0;
    int finished_count = 0;
    bool executing = false;
    bool done = false;
    std::vector<const Call*> calls;  // by rank; null: has not come
    std::map<int, std::shared_ptr<ThreadGroup>> children;
  };

  // All with the job's mutex held.
  Meeting& MeetingOf(int64_t sequence);
  void Finished(Meeting& meeting);
  // Ends the job for `cause`, with a report.
  absl::Status Fail(int64_t sequence, const Record& record,
                    const absl::Status& cause);
  // An error if a rank that has left would have to make this call.
  absl::Status CheckPresent(const Meeting& meeting) const;
  void MakeChildren(Meeting& meeting);

  const std::shared_ptr<ThreadJob> job_;
  const std::vector<Member> members_;
  std::vector<bool> left_;
  std::vector<std::unique_ptr<Meeting>> meetings_;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_THREAD_THREAD_GROUP_H_
