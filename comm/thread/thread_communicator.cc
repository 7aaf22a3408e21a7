// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/thread/thread_communicator.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

#include "switchyard/base/check.h"
#include "switchyard/comm/host.h"
#include "switchyard/comm/recorded_communicator.h"
#include "switchyard/comm/thread/thread_group.h"

namespace switchyard::comm {
namespace {

class ThreadCommunicator : public RecordedCommunicator {
 public:
  ThreadCommunicator(std::shared_ptr<ThreadGroup> group, int rank)
      : group_(std::move(group)), rank_(rank) {}
  ~ThreadCommunicator() override { group_->Leave(rank_); }

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }
  const std::vector<Member>& members() const override {
    return group_->members();
  }

  [[noreturn]] void Abort(const std::string& message) override {
    std::fprintf(stderr, "%s\n", message.c_str());
    std::fflush(nullptr);
    std::_Exit(EXIT_FAILURE);
  }

 protected:
  std::unique_ptr<Pending> NewPending() override {
    return std::make_unique<Pending>();
  }
  absl::Status Start(Pending& pending) override {
    return group_->Arrive(pending.sequence, rank_, pending.call);
  }
  absl::Status Finish(Pending& pending) override {
    return group_->Await(pending.sequence, rank_);
  }
  absl::StatusOr<std::unique_ptr<Communicator>> MakeChild(
      const Pending& split) override {
    std::shared_ptr<ThreadGroup> child =
        group_->TakeChild(split.sequence, split.call.color);
    const int world_rank = members()[rank_].world_rank;
    int child_rank = 0;
    while (child->members()[child_rank].world_rank != world_rank) ++child_rank;
    return std::make_unique<ThreadCommunicator>(std::move(child), child_rank);
  }
  bool dead() const override { return group_->failed(); }

 private:
  const std::shared_ptr<ThreadGroup> group_;
  const int rank_;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> NewThreadCommunicators(
    int ranks, const Options& options) {
  SWITCHYARD_CHECK(ranks >= 1) << ranks;
  std::vector<Member> members;
  for (int r = 0; r < ranks; ++r) {
    members.push_back({HostName(), getpid(), /*node=*/0, /*world_rank=*/r});
  }
  auto group = std::make_shared<ThreadGroup>(
      std::make_shared<ThreadJob>(options), std::move(members));
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (int r = 0; r < ranks; ++r) {
    communicators.push_back(std::make_unique<ThreadCommunicator>(group, r));
  }
  return communicators;
}

absl::Status RunRanks(
    int ranks, const Options& options,
    const std::function<absl::Status(Communicator& world)>& rank_main) {
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
