// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What all implementations of a communicator share. A public call checks its
// arguments, waits for the stream, opens the device's memory, writes the
// ledger, and hands a Call to the implementation, which starts it and later
// finishes it.
//
// Buffers in a GPU's memory go another way: by the group's device transport, if
// it has one, else through host memory (staging.h). A group of one rank copies
// on the device.
#ifndef SWITCHYARD_COMM_RECORDED_COMMUNICATOR_H_
#define SWITCHYARD_COMM_RECORDED_COMMUNICATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "switchyard/comm/call.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/device_flights.h"
#include "switchyard/comm/device_transport.h"
#include "switchyard/comm/ledger/rank_ledger.h"
#include "switchyard/comm/staging.h"

namespace switchyard::comm {

// What a group is called: by reports, and by its ranks' ledgers, in which `id`
// is the same on all of them and like no other group's.
struct GroupIdentity {
  static constexpr uint64_t kWorld = 1;

  uint64_t id = kWorld;
  std::string name = "world";

  bool is_world() const { return id == kWorld; }
};

class RecordedCommunicator : public Communicator {
 public:
  ~RecordedCommunicator() override;

  int rank() const final { return rank_; }
  int size() const final { return static_cast<int>(members_.size()); }
  const std::vector<Member>& members() const final { return members_; }
  absl::Status Health() final;
  Ledger& ledger() final { return record_.ledger(); }

  Ticket AllReduce(Stream& stream, const TensorView& buffer, ReduceOp op,
                   Caller caller) final;
  Ticket ReduceScatter(Stream& stream, const TensorView& send,
                       const TensorView& recv, absl::Span<const int64_t> counts,
                       ReduceOp op, Caller caller) final;
  Ticket AllGather(Stream& stream, const ConstTensorView& send,
                   const TensorView& recv, absl::Span<const int64_t> counts,
                   Caller caller) final;
  Ticket AllToAllV(Stream& stream, const ConstTensorView& send,
                   absl::Span<const Block> send_blocks, const TensorView& recv,
                   absl::Span<const Block> recv_blocks, Caller caller) final;
  Ticket Broadcast(Stream& stream, const TensorView& buffer, int root,
                   Caller caller) final;
  Ticket Barrier(Caller caller) final;
  absl::StatusOr<std::unique_ptr<Communicator>> Split(
      int color, int key, const std::string& name) final;
  int64_t all_to_all_sent_bytes() const final { return sent_bytes_; }

  // From now on calls on buffers of `device` go by `transport`, and so do those
  // of groups that are split off later. Before the first such call.
  void UseTransport(std::unique_ptr<DeviceTransport> transport, Device& device,
                    double timeout_seconds);
  // Waits for the calls that the transport has.
  void FinishFlights();
  // When none of its calls is waited for any more. Implementations do it first
  // when they end.
  void DropTransport();

 protected:
  RecordedCommunicator(std::shared_ptr<ledger::RankLedger> ledger,
                       GroupIdentity identity, int rank,
                       std::vector<Member> members);

  // A call under way and what the implementation keeps of it. Reused, so its
  // vectors keep their capacity and a step allocates nothing.
  class Pending : public Operation, public FlyingCall {
   public:
    absl::Status Wait() final;
    bool Poll() final;
    void Abandon() final;

    DeviceTransport::Flight& flight() final { return *flight_; }
    void Land() final;
    absl::Status LookForTrouble() final;
    void Crash(const absl::Status& cause) final;

    Call call;
    int64_t sequence = 0;  // the group's calls, counted from 1
    absl::Status status;   // of Start and Advance

   private:
    friend class RecordedCommunicator;
    // How its buffers are reached.
    enum class Way {
      kDirect,    // by the implementation
      kStaged,    // likewise, copies of them
      kOnDevice,  // they are copied: complete on the stream
      kFlight,    // by the transport
    };
    RecordedCommunicator* owner_ = nullptr;
    Way way_ = Way::kDirect;
    Staging staging_;
    std::unique_ptr<DeviceTransport::Flight> flight_;
    bool flies_ = false;   // the transport has it
    bool waited_ = false;  // its ticket is gone
  };

  virtual std::unique_ptr<Pending> NewPending() = 0;
  // Begins pending.call. Never blocks on another rank.
  virtual absl::Status Start(Pending& pending) = 0;
  // Blocks until it is done, failed or late. Only after a good Start.
  virtual absl::Status Finish(Pending& pending) = 0;
  // Moves data if it can; whether it is done or failed. Only after a good
  // Start; an error is kept in pending.status.
  virtual bool Advance(Pending& pending) = 0;
  // The group is dead and the ticket of `pending` goes: returns when no other
  // rank works on its buffers any more.
  virtual void Settle(const Pending& pending) = 0;
  // The group of this rank's color, after the split call has finished.
  virtual absl::StatusOr<std::unique_ptr<Communicator>> MakeChild(
      const Pending& split, const GroupIdentity& identity) = 0;
  // A failure has ended the group: no call begins any more.
  virtual bool dead() const = 0;
  // What did; OK if nothing.
  virtual absl::Status failure() const = 0;
  // `pending` has failed because of `cause`, and so has its world: the error
  // with its report.
  virtual absl::Status Fail(const Pending& pending,
                            const absl::Status& cause) = 0;

  // For a wait, once a second: an error if `pending` will not be complete, by
  // the ledgers, or because a GPU's call has failed.
  absl::Status LookForTrouble(const Pending& pending);

  const GroupIdentity& identity() const { return identity_; }
  const ledger::GroupLedger& record() const { return record_; }

 private:
  // A pending whose call has these fields set and the others empty.
  Pending& Prepare(CallKind kind, Caller caller);
  Ticket Launch(Stream* stream, Pending& pending);
  Pending::Way WayOf(const Call& call) const;
  absl::Status StartOnDevice(Pending& pending);
  absl::Status StartFlight(Pending& pending);
  absl::Status Complete(Pending& pending);
  absl::Status CompleteOnDevice(Pending& pending);
  void Release(Pending& pending);
  // Gives a group that was split off its part of the transport.
  absl::Status ShareTransport(Pending& pending, Communicator& child);
  // A failure that was found on the device is told in full by whatever call
  // comes next, of any group.
  absl::Status Told(absl::Status status);
  // The group's end is the end of what is under way on the device.
  void EndFlightsIfDead();
  void CheckCounts(absl::Span<const int64_t> counts, int64_t total,
                   int64_t mine) const;
  void CheckBlocks(absl::Span<const Block> blocks, int64_t element_count) const;
  void CheckDisjoint(const ConstTensorView& send,
                     absl::Span<const Block> send_blocks,
                     const ConstTensorView& recv,
                     absl::Span<const Block> recv_blocks);

  const GroupIdentity identity_;
  const int rank_;
  const std::vector<Member> members_;
  ledger::GroupLedger record_;
  std::unique_ptr<DeviceFlights> flights_;  // null: no transport
  std::vector<std::unique_ptr<Pending>> pendings_;
  std::vector<Pending*> free_;
  std::vector<Block> sorted_blocks_;  // kept, so that a step allocates nothing
  int64_t next_sequence_ = 1;
  uint64_t split_count_ = 0;
  int64_t sent_bytes_ = 0;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_RECORDED_COMMUNICATOR_H_
