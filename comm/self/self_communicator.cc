// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/self/self_communicator.h"

#include <unistd.h>

#include <cstring>
#include <utility>

#include "switchyard/comm/block_matching.h"
#include "switchyard/comm/end_process.h"
#include "switchyard/comm/failure.h"
#include "switchyard/comm/host.h"
#include "switchyard/comm/ledger/process_state.h"
#include "switchyard/comm/ledger/rank_ledger.h"
#include "switchyard/comm/recorded_communicator.h"

namespace switchyard::comm {
namespace {

// One rank's part of a buffer is all of it.
void CopyAll(const Call& call) {
  if (call.count == 0 || call.send == call.recv) return;
  std::memcpy(call.recv, call.send, call.count * call.element_bytes());
}

class SelfCommunicator : public RecordedCommunicator {
 public:
  // `failure` is the world's, shared by its groups.
  SelfCommunicator(std::shared_ptr<absl::Status> failure,
                   std::shared_ptr<ledger::RankLedger> ledger,
                   const GroupIdentity& identity, const Member& self)
      : RecordedCommunicator(std::move(ledger), identity, /*rank=*/0, {self}),
        failure_(std::move(failure)) {}

  ~SelfCommunicator() override { DropTransport(); }

  [[noreturn]] void Abort(const std::string& message) override {
    EndProcess(message);
  }

 protected:
  std::unique_ptr<Pending> NewPending() override {
    return std::make_unique<Pending>();
  }
  absl::Status Start(Pending& pending) override {
    if (dead()) return LaterFailure(*failure_);
    const Call& call = pending.call;
    switch (call.kind) {
      case CallKind::kReduceScatter:
      case CallKind::kAllGather:
        CopyAll(call);
        break;
      case CallKind::kAllToAllV:
        return CopyOwnBlocks(call, 0) ? absl::OkStatus()
                                      : Fail(pending, MismatchError());
      case CallKind::kAllReduce:
      case CallKind::kBroadcast:
      case CallKind::kBarrier:
      case CallKind::kSplit:
        break;
    }
    return absl::OkStatus();
  }
  absl::Status Finish(Pending&) override { return absl::OkStatus(); }
  bool Advance(Pending&) override { return true; }
  void Settle(const Pending&) override {}
  absl::StatusOr<std::unique_ptr<Communicator>> MakeChild(
      const Pending&, const GroupIdentity& identity) override {
    return std::make_unique<SelfCommunicator>(
        failure_, record().shared_ledger(), identity, members()[0]);
  }
  bool dead() const override { return !failure_->ok(); }
  absl::Status failure() const override { return *failure_; }
  absl::Status Fail(const Pending& pending,
                    const absl::Status& cause) override {
    *failure_ = record().Explain(pending.sequence, cause);
    record().ledger().NoteFailed();
    return *failure_;
  }

 private:
  const std::shared_ptr<absl::Status> failure_;
};

}  // namespace

std::unique_ptr<Communicator> NewSelfCommunicator() {
  const Member self = {HostName(), getpid(), /*node=*/0, /*world_rank=*/0};
  std::shared_ptr<ledger::RankLedger> ledger =
      ledger::RankLedger::InMemory(self, /*world_size=*/1);
  ledger->SetPeers(
      {ledger::Peer{self, "", nullptr, ledger::ProcessStart(self.process)}});
  return std::make_unique<SelfCommunicator>(std::make_shared<absl::Status>(),
                                            std::move(ledger), GroupIdentity(),
                                            self);
}

}  // namespace switchyard::comm
