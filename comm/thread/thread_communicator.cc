// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/thread/thread_communicator.h"

#include <unistd.h>

#include <mutex>
#include <thread>
#include <utility>

#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/end_process.h"
#include "switchyard/comm/host.h"
#include "switchyard/comm/ledger/process_state.h"
#include "switchyard/comm/ledger/rank_ledger.h"
#include "switchyard/comm/recorded_communicator.h"
#include "switchyard/comm/thread/thread_group.h"

namespace switchyard::comm {
namespace {

class ThreadCommunicator : public RecordedCommunicator {
 public:
  ThreadCommunicator(std::shared_ptr<ledger::RankLedger> ledger,
                     const GroupIdentity& identity,
                     std::shared_ptr<ThreadGroup> group, int rank)
      : RecordedCommunicator(std::move(ledger), identity, rank,
                             group->members()),
        group_(std::move(group)) {}
  ~ThreadCommunicator() override {
    DropTransport();
    if (identity().is_world()) record().ledger().NoteLeft();
    group_->Leave(rank());
  }

  [[noreturn]] void Abort(const std::string& message) override {
    EndProcess(message);
  }

 protected:
  std::unique_ptr<Pending> NewPending() override {
    return std::make_unique<Pending>();
  }
  absl::Status Start(Pending& pending) override {
    return group_->Arrive(pending.sequence, rank(), pending.call, record());
  }
  absl::Status Finish(Pending& pending) override {
    return group_->Await(pending.sequence, rank(), record());
  }
  bool Advance(Pending& pending) override {
    return group_->IsDone(pending.sequence);
  }
  void Settle(const Pending& pending) override {
    group_->Settle(pending.sequence);
  }
  absl::StatusOr<std::unique_ptr<Communicator>> MakeChild(
      const Pending& split, const GroupIdentity& identity) override {
    std::shared_ptr<ThreadGroup> child =
        group_->TakeChild(split.sequence, split.call.color);
    const int world_rank = members()[rank()].world_rank;
    int child_rank = 0;
    while (child->members()[child_rank].world_rank != world_rank) ++child_rank;
    return std::make_unique<ThreadCommunicator>(
        record().shared_ledger(), identity, std::move(child), child_rank);
  }
  bool dead() const override { return group_->failed(); }
  absl::Status failure() const override { return group_->failure(); }
  absl::Status Fail(const Pending& pending,
                    const absl::Status& cause) override {
    return group_->EndJob(pending.sequence, record(), cause);
  }

 private:
  const std::shared_ptr<ThreadGroup> group_;
};

// One for each rank; each can read all of them.
std::vector<std::shared_ptr<ledger::RankLedger>> MakeLedgers(
    const std::vector<Member>& members) {
  std::vector<std::shared_ptr<ledger::RankLedger>> ledgers;
  std::vector<ledger::Peer> peers;
  for (const Member& member : members) {
    ledgers.push_back(
        ledger::RankLedger::InMemory(member, static_cast<int>(members.size())));
    peers.push_back({member, "", ledgers.back()->memory(),
                     ledger::ProcessStart(member.process)});
  }
  for (const auto& ledger : ledgers) ledger->SetPeers(peers);
  return ledgers;
}

}  // namespace

std::vector<std::unique_ptr<Communicator>> NewThreadCommunicators(
    int ranks, const Options& options) {
  SWITCHYARD_CHECK(ranks >= 1) << ranks;
  const absl::Status checked = CheckOptions(options);
  SWITCHYARD_CHECK(checked.ok()) << checked;
  std::vector<Member> members;
  for (int r = 0; r < ranks; ++r) {
    members.push_back({HostName(), getpid(), /*node=*/0, /*world_rank=*/r});
  }
  const auto ledgers = MakeLedgers(members);
  auto group = std::make_shared<ThreadGroup>(
      std::make_shared<ThreadJob>(options, ledgers), std::move(members));
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (int r = 0; r < ranks; ++r) {
    communicators.push_back(std::make_unique<ThreadCommunicator>(
        ledgers[r], GroupIdentity(), group, r));
  }
  return communicators;
}

absl::Status RunRanks(
    int ranks, const Options& options,
    const std::function<absl::Status(Communicator& world)>& rank_main) {
  SWITCHYARD_RETURN_IF_ERROR(CheckOptions(options));
  std::vector<std::unique_ptr<Communicator>> communicators =
      NewThreadCommunicators(ranks, options);
  std::mutex mutex;
  absl::Status first;
  std::vector<std::thread> threads;
  for (std::unique_ptr<Communicator>& communicator : communicators) {
    threads.emplace_back([&, world = std::move(communicator)]() mutable {
      SetThreadRank(world->rank());
      const absl::Status status = rank_main(*world);
      {
        // Before it leaves: the errors that its leaving causes come later.
        std::lock_guard<std::mutex> lock(mutex);
        first.Update(status);
      }
      world.reset();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return first;
}

}  // namespace switchyard::comm
