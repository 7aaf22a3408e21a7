// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/self/self_communicator.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "switchyard/comm/block_matching.h"
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

absl::Status CopyBlocks(const Call& call) {
  const int64_t bytes = call.element_bytes();
  const bool matched = MatchBlocks(
      call.send_blocks, 0, call.recv_blocks, 0,
      [&](const Block& send, const Block& recv) {
        std::memcpy(call.recv + recv.offset * bytes,
                    call.send + send.offset * bytes, send.count * bytes);
      });
  if (matched) return absl::OkStatus();
  return absl::InternalError(
      "the blocks that this rank sends to itself are not those that it expects "
      "from itself");
}

class SelfCommunicator : public RecordedCommunicator {
 public:
  SelfCommunicator(std::shared_ptr<ledger::RankLedger> ledger,
                   const GroupIdentity& identity, const Member& self)
      : RecordedCommunicator(std::move(ledger), identity, /*rank=*/0, {self}) {}

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
    if (!failure_.ok()) return failure_;
    const Call& call = pending.call;
    switch (call.kind) {
      case CallKind::kReduceScatter:
      case CallKind::kAllGather:
        CopyAll(call);
        break;
      case CallKind::kAllToAllV:
        failure_ = CopyBlocks(call);
        break;
      case CallKind::kAllReduce:
      case CallKind::kBroadcast:
      case CallKind::kBarrier:
      case CallKind::kSplit:
        break;
    }
    return failure_;
  }
  absl::Status Finish(Pending&) override { return absl::OkStatus(); }
  bool Advance(Pending&) override { return true; }
  absl::StatusOr<std::unique_ptr<Communicator>> MakeChild(
      const Pending&, const GroupIdentity& identity) override {
    return std::make_unique<SelfCommunicator>(record().shared_ledger(),
                                              identity, members()[0]);
  }
  bool dead() const override { return !failure_.ok(); }

 private:
  absl::Status failure_;
};

}  // namespace

std::unique_ptr<Communicator> NewSelfCommunicator() {
  const Member self = {HostName(), getpid(), /*node=*/0, /*world_rank=*/0};
  std::shared_ptr<ledger::RankLedger> ledger =
      ledger::RankLedger::InMemory(self, /*world_size=*/1);
  ledger->SetPeers(
      {ledger::Peer{self, "", nullptr, ledger::ProcessStart(self.process)}});
  return std::make_unique<SelfCommunicator>(std::move(ledger), GroupIdentity(),
                                            self);
}

}  // namespace switchyard::comm
