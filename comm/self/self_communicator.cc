// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/self/self_communicator.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "switchyard/comm/block_matching.h"
#include "switchyard/comm/host.h"
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
  SelfCommunicator() {
    members_.push_back({HostName(), getpid(), /*node=*/0, /*world_rank=*/0});
  }

  int rank() const override { return 0; }
  int size() const override { return 1; }
  const std::vector<Member>& members() const override { return members_; }

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
  absl::StatusOr<std::unique_ptr<Communicator>> MakeChild(
      const Pending&) override {
    return NewSelfCommunicator();
  }
  bool dead() const override { return !failure_.ok(); }

 private:
  std::vector<Member> members_;
  absl::Status failure_;
};

}  // namespace

std::unique_ptr<Communicator> NewSelfCommunicator() {
  return std::make_unique<SelfCommunicator>();
}

}  // namespace switchyard::comm
