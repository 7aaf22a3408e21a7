// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/recorded_communicator.h"

#include <algorithm>
#include <utility>

#include "switchyard/base/check.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/failure.h"

namespace switchyard::comm {
namespace {

void CheckBuffer(const ConstTensorView& view) {
  SWITCHYARD_CHECK(view.defined());
  SWITCHYARD_CHECK(view.contiguous())
      << view.shape().ToString() << " with rows " << view.row_stride()
      << " elements apart";
}

void CheckReducible(DType dtype) {
  SWITCHYARD_CHECK(dtype == DType::kInt32 || dtype == DType::kInt64 ||
                   dtype == DType::kFloat32 || dtype == DType::kFloat64)
      << NameOf(dtype) << " cannot be reduced";
}

const std::byte* AddressOf(const ConstTensorView& view) {
  return static_cast<const std::byte*>(view.raw());
}

std::byte* AddressOf(const TensorView& view) {
  return static_cast<std::byte*>(view.raw());
}

// `part` (of one rank) is either that rank's place in `whole` or outside it.
void CheckAliasing(const ConstTensorView& whole, const ConstTensorView& part,
                   int64_t offset) {
  const std::byte* begin = AddressOf(whole);
  const std::byte* own =
      begin + offset * static_cast<int64_t>(SizeOf(whole.dtype()));
  const std::byte* p = AddressOf(part);
  if (p == own || part.byte_count() == 0) return;
  SWITCHYARD_CHECK(p + part.byte_count() <= begin ||
                   p >= begin + whole.byte_count())
      << "a buffer may be this rank's part of the other, or be outside it";
}

bool Overlap(const ConstTensorView& a, const ConstTensorView& b) {
  return AddressOf(a) < AddressOf(b) + b.byte_count() &&
         AddressOf(b) < AddressOf(a) + a.byte_count();
}

// `received`: not empty ones, by offset.
void CheckDisjointBlocks(absl::Span<const Block> received) {
  for (size_t i = 1; i < received.size(); ++i) {
    const Block& before = received[i - 1];
    SWITCHYARD_CHECK(received[i].offset - before.offset >= before.count)
        << "what comes from rank " << received[i].peer << " at "
        << received[i].offset << " overlaps what comes from rank "
        << before.peer << " at " << before.offset << " + " << before.count;
  }
}

// `sent` begins `shift` elements behind where its offset in the buffer that
// receives would be. Of disjoint blocks the last that begins before its end is
// the only one that can reach into it.
void CheckOutside(absl::Span<const Block> received, const Block& sent,
                  int64_t shift) {
  const int64_t begin = sent.offset + shift;
  const auto behind = std::partition_point(
      received.begin(), received.end(),
      [end = begin + sent.count](const Block& b) { return b.offset < end; });
  if (behind == received.begin()) return;
  const Block& last = *(behind - 1);
  SWITCHYARD_CHECK(last.offset + last.count <= begin)
      << "what goes to rank " << sent.peer << " at " << begin << " + "
      << sent.count << " is overwritten by what comes from rank " << last.peer
      << " at " << last.offset << " + " << last.count;
}

}  // namespace

RecordedCommunicator::RecordedCommunicator(
    std::shared_ptr<ledger::RankLedger> ledger, GroupIdentity identity,
    int rank, std::vector<Member> members)
    : identity_(std::move(identity)),
      rank_(rank),
      members_(std::move(members)),
      record_(std::move(ledger), identity_.id, identity_.name, rank, members_) {
}

RecordedCommunicator::~RecordedCommunicator() {
  SWITCHYARD_CHECK(flights_ == nullptr);  // implementations drop it
  SWITCHYARD_CHECK(free_.size() == pendings_.size())
      << "a group was destroyed before its tickets";
}

absl::Status RecordedCommunicator::Pending::Wait() {
  return owner_->Complete(*this);
}

bool RecordedCommunicator::Pending::Poll() {
  if (!status.ok() || owner_->dead()) return true;
  switch (way_) {
    case Way::kDirect:
    case Way::kStaged:
      return owner_->Advance(*this);
    case Way::kOnDevice:
      return true;
    case Way::kFlight:
      return !flies_ || flight_->Landed();
  }
  return true;
}

void RecordedCommunicator::Pending::Abandon() {
  SWITCHYARD_CHECK(owner_->dead()) << "a ticket was never waited for";
  owner_->EndFlightsIfDead();
  if (way_ == Way::kDirect || way_ == Way::kStaged) owner_->Settle(*this);
  owner_->Release(*this);
}

void RecordedCommunicator::Pending::Land() {
  flies_ = false;
  if (!owner_->dead()) {
    if (owner_->record_.AgreesWithNeighbours(sequence)) {
      owner_->record_.End(sequence);
    } else {
      Crash(MismatchError());
    }
  }
  if (waited_) owner_->Release(*this);
}

absl::Status RecordedCommunicator::Pending::LookForTrouble() {
  return owner_->record_.LookForTrouble(sequence);
}

void RecordedCommunicator::Pending::Crash(const absl::Status& cause) {
  if (!owner_->dead()) {
    status = owner_->Fail(*this, cause);
    owner_->flights_->NoteUntold();
  }
  owner_->EndFlightsIfDead();
}

absl::Status RecordedCommunicator::Health() {
  if (!dead() && flights_ != nullptr) {
    // What failed may have left the device, as if it were complete.
    const absl::Status transport = flights_->transport().Health();
    if (!transport.ok() && !flights_->CrashOldest(transport)) {
      const std::unique_ptr<Pending> last = NewPending();
      last->sequence = next_sequence_ - 1;
      Fail(*last, transport).IgnoreError();
      flights_->NoteUntold();
    }
  }
  if (!dead()) return absl::OkStatus();
  EndFlightsIfDead();
  return Told(LaterFailure(failure()));
}

absl::Status RecordedCommunicator::LookForTrouble(const Pending& pending) {
  if (flights_ != nullptr) {
    SWITCHYARD_RETURN_IF_ERROR(flights_->transport().Health());
  }
  return record_.LookForTrouble(pending.sequence);
}

absl::Status RecordedCommunicator::Told(absl::Status status) {
  if (status.ok() || flights_ == nullptr || !flights_->TakeUntold()) {
    return status;
  }
  return failure();
}

void RecordedCommunicator::UseTransport(
    std::unique_ptr<DeviceTransport> transport, Device& device,
    double timeout_seconds) {
  flights_ = std::make_unique<DeviceFlights>(std::move(transport), device,
                                             timeout_seconds);
}

void RecordedCommunicator::FinishFlights() {
  if (flights_ == nullptr) return;
  EndFlightsIfDead();
  flights_->LandAll();
}

void RecordedCommunicator::DropTransport() {
  if (flights_ == nullptr) return;
  FinishFlights();
  for (const auto& pending : pendings_) pending->flight_.reset();
  flights_.reset();
}

Ticket RecordedCommunicator::AllReduce(Stream& stream, const TensorView& buffer,
                                       ReduceOp op, Caller caller) {
  CheckBuffer(buffer);
  CheckReducible(buffer.dtype());
  Pending& pending = Prepare(CallKind::kAllReduce, caller);
  pending.call.dtype = buffer.dtype();
  pending.call.op = op;
  pending.call.recv = AddressOf(buffer);
  pending.call.count = buffer.element_count();
  return Launch(&stream, pending);
}

Ticket RecordedCommunicator::ReduceScatter(Stream& stream,
                                           const TensorView& send,
                                           const TensorView& recv,
                                           absl::Span<const int64_t> counts,
                                           ReduceOp op, Caller caller) {
  CheckBuffer(send);
  CheckBuffer(recv);
  CheckReducible(send.dtype());
  SWITCHYARD_CHECK(send.dtype() == recv.dtype())
      << NameOf(send.dtype()) << " " << NameOf(recv.dtype());
  CheckCounts(counts, send.element_count(), recv.element_count());
  CheckAliasing(send, recv, SumBefore(counts, rank()));
  Pending& pending = Prepare(CallKind::kReduceScatter, caller);
  pending.call.dtype = send.dtype();
  pending.call.op = op;
  pending.call.send = AddressOf(send);
  pending.call.recv = AddressOf(recv);
  pending.call.count = send.element_count();
  pending.call.counts.assign(counts.begin(), counts.end());
  return Launch(&stream, pending);
}

Ticket RecordedCommunicator::AllGather(Stream& stream,
                                       const ConstTensorView& send,
                                       const TensorView& recv,
                                       absl::Span<const int64_t> counts,
                                       Caller caller) {
  CheckBuffer(send);
  CheckBuffer(recv);
  SWITCHYARD_CHECK(send.dtype() == recv.dtype())
      << NameOf(send.dtype()) << " " << NameOf(recv.dtype());
  CheckCounts(counts, recv.element_count(), send.element_count());
  CheckAliasing(recv, send, SumBefore(counts, rank()));
  Pending& pending = Prepare(CallKind::kAllGather, caller);
  pending.call.dtype = send.dtype();
  pending.call.send = AddressOf(send);
  pending.call.recv = AddressOf(recv);
  pending.call.count = recv.element_count();
  pending.call.counts.assign(counts.begin(), counts.end());
  return Launch(&stream, pending);
}

Ticket RecordedCommunicator::AllToAllV(Stream& stream,
                                       const ConstTensorView& send,
                                       absl::Span<const Block> send_blocks,
                                       const TensorView& recv,
                                       absl::Span<const Block> recv_blocks,
                                       Caller caller) {
  CheckBuffer(send);
  CheckBuffer(recv);
  SWITCHYARD_CHECK(send.dtype() == recv.dtype())
      << NameOf(send.dtype()) << " " << NameOf(recv.dtype());
  CheckBlocks(send_blocks, send.element_count());
  CheckBlocks(recv_blocks, recv.element_count());
  CheckDisjoint(send, send_blocks, recv, recv_blocks);
  Pending& pending = Prepare(CallKind::kAllToAllV, caller);
  Call& call = pending.call;
  call.dtype = send.dtype();
  call.send = AddressOf(send);
  call.recv = AddressOf(recv);
  call.send_blocks = send_blocks;
  call.recv_blocks = recv_blocks;
  for (const Block& block : send_blocks) {
    call.count += block.count;
    if (block.peer != rank()) sent_bytes_ += block.count * call.element_bytes();
  }
  return Launch(&stream, pending);
}

Ticket RecordedCommunicator::Broadcast(Stream& stream, const TensorView& buffer,
                                       int root, Caller caller) {
  CheckBuffer(buffer);
  SWITCHYARD_CHECK(root >= 0 && root < size()) << root << " of " << size();
  Pending& pending = Prepare(CallKind::kBroadcast, caller);
  pending.call.dtype = buffer.dtype();
  pending.call.root = root;
  pending.call.recv = AddressOf(buffer);
  pending.call.count = buffer.element_count();
  return Launch(&stream, pending);
}

Ticket RecordedCommunicator::Barrier(Caller caller) {
  return Launch(nullptr, Prepare(CallKind::kBarrier, caller));
}

absl::StatusOr<std::unique_ptr<Communicator>> RecordedCommunicator::Split(
    int color, int key, const std::string& name) {
  Pending& pending = Prepare(CallKind::kSplit, {-1, "split"});
  pending.call.color = color;
  pending.call.key = key;
  if (!dead()) record_.Begin(pending.sequence, pending.call);
  absl::Status status = Start(pending);
  if (status.ok()) status = Finish(pending);
  if (!status.ok()) {
    EndFlightsIfDead();
    Release(pending);
    return Told(std::move(status));
  }
  // The ranks agree on all of it without a word.
  const GroupIdentity identity = {MixKey(MixKey(identity_.id, ++split_count_),
                                         static_cast<uint32_t>(color)),
                                  name};
  absl::StatusOr<std::unique_ptr<Communicator>> child =
      MakeChild(pending, identity);
  if (child.ok() && flights_ != nullptr) {
    status = ShareTransport(pending, **child);
    if (!status.ok()) child = Told(Fail(pending, status));
  }
  if (child.ok()) record_.End(pending.sequence);
  EndFlightsIfDead();
  Release(pending);
  return child;
}

absl::Status RecordedCommunicator::ShareTransport(Pending& pending,
                                                  Communicator& child) {
  // The first rank's number in the world names the group among its siblings.
  SWITCHYARD_ASSIGN_OR_RETURN(
      std::unique_ptr<DeviceTransport> transport,
      flights_->transport().Split(child.members()[0].world_rank, child.rank(),
                                  [&] { return pending.LookForTrouble(); }));
  auto& group = static_cast<RecordedCommunicator&>(child);
  group.UseTransport(std::move(transport), flights_->device(),
                     flights_->timeout_seconds());
  group.flights_->ShareNotice(*flights_);
  return absl::OkStatus();
}

RecordedCommunicator::Pending& RecordedCommunicator::Prepare(CallKind kind,
                                                             Caller caller) {
  if (flights_ != nullptr) {
    flights_->transport().MakeRoom();
    flights_->LandComplete();
  }
  if (free_.empty()) {
    pendings_.push_back(NewPending());
    free_.reserve(pendings_.size());
    free_.push_back(pendings_.back().get());
  }
  Pending& pending = *free_.back();
  free_.pop_back();
  pending.owner_ = this;
  pending.sequence = next_sequence_++;
  pending.status = absl::OkStatus();
  pending.way_ = Pending::Way::kDirect;
  pending.flies_ = false;
  pending.waited_ = false;
  std::vector<int64_t> counts = std::move(pending.call.counts);
  counts.clear();
  pending.call = Call();
  pending.call.counts = std::move(counts);
  pending.call.kind = kind;
  pending.call.caller = caller;
  return pending;
}

RecordedCommunicator::Pending::Way RecordedCommunicator::WayOf(
    const Call& call) const {
  const Device& device = call.stream->device();
  if (device.kind() == DeviceKind::kCpu) return Pending::Way::kDirect;
  if (size() == 1) return Pending::Way::kOnDevice;
  if (flights_ != nullptr && &device == &flights_->device()) {
    return Pending::Way::kFlight;
  }
  return Pending::Way::kStaged;
}

Ticket RecordedCommunicator::Launch(Stream* stream, Pending& pending) {
  if (stream != nullptr) {
    pending.call.stream = stream;
    pending.way_ = WayOf(pending.call);
  }
  if (pending.way_ == Pending::Way::kDirect && stream != nullptr) {
    stream->Wait();
    stream->device().OpenMemory();
  } else if (pending.way_ == Pending::Way::kStaged) {
    pending.staging_.Begin(pending.call, rank());
  }
  if (!dead()) record_.Begin(pending.sequence, pending.call);
  const bool on_device = pending.way_ == Pending::Way::kOnDevice ||
                         pending.way_ == Pending::Way::kFlight;
  pending.status = on_device ? StartOnDevice(pending) : Start(pending);
  if (!pending.status.ok()) EndFlightsIfDead();
  return Ticket(&pending);
}

absl::Status RecordedCommunicator::StartOnDevice(Pending& pending) {
  if (dead()) return LaterFailure(failure());
  if (pending.way_ == Pending::Way::kFlight) return StartFlight(pending);
  return CopyOnDevice(pending.call) ? absl::OkStatus()
                                    : Fail(pending, MismatchError());
}

absl::Status RecordedCommunicator::StartFlight(Pending& pending) {
  if (pending.flight_ == nullptr) {
    pending.flight_ = flights_->transport().NewFlight();
  }
  const absl::Status status = flights_->transport().Start(
      pending.call, *pending.flight_, [&] { return pending.LookForTrouble(); });
  if (!status.ok()) {
    // The ticket may be one that nobody waits for after another's failure.
    flights_->NoteUntold();
    return Fail(pending, status);
  }
  pending.flies_ = true;
  flights_->Add(&pending);
  return status;
}

absl::Status RecordedCommunicator::Complete(Pending& pending) {
  if (pending.way_ == Pending::Way::kOnDevice ||
      pending.way_ == Pending::Way::kFlight) {
    return CompleteOnDevice(pending);
  }
  absl::Status status =
      pending.status.ok() ? Finish(pending) : std::move(pending.status);
  if (status.ok()) {
    record_.End(pending.sequence);
    if (pending.way_ == Pending::Way::kStaged) {
      pending.staging_.End(pending.call, rank());
    }
  } else {
    EndFlightsIfDead();
  }
  Release(pending);
  return Told(std::move(status));
}

// The host goes on; what it gives the stream from now on begins behind the
// call. An error that comes later is that of a later call.
absl::Status RecordedCommunicator::CompleteOnDevice(Pending& pending) {
  absl::Status status = std::move(pending.status);
  if (status.ok() && dead()) status = LaterFailure(failure());
  if (pending.way_ == Pending::Way::kOnDevice) {
    if (status.ok()) record_.End(pending.sequence);
  } else if (status.ok()) {
    pending.flight_->HoldBack(*pending.call.stream);
  }
  pending.waited_ = true;
  if (!pending.flies_) Release(pending);
  return Told(std::move(status));
}

void RecordedCommunicator::Release(Pending& pending) {
  if (pending.way_ == Pending::Way::kDirect && pending.call.stream != nullptr) {
    pending.call.stream->device().CloseMemory();
  }
  free_.push_back(&pending);
}

void RecordedCommunicator::EndFlightsIfDead() {
  if (flights_ != nullptr && dead()) flights_->Abort(failure());
}

void RecordedCommunicator::CheckCounts(absl::Span<const int64_t> counts,
                                       int64_t total, int64_t mine) const {
  SWITCHYARD_CHECK(static_cast<int>(counts.size()) == size())
      << counts.size() << " counts for " << size() << " ranks";
  int64_t sum = 0;
  for (const int64_t count : counts) {
    SWITCHYARD_CHECK(count >= 0) << count;
    sum += count;
  }
  SWITCHYARD_CHECK(sum == total) << sum << " in counts, " << total << " held";
  SWITCHYARD_CHECK(counts[rank()] == mine)
      << counts[rank()] << " in counts, " << mine << " held";
}

void RecordedCommunicator::CheckBlocks(absl::Span<const Block> blocks,
                                       int64_t element_count) const {
  for (const Block& block : blocks) {
    SWITCHYARD_CHECK(block.peer >= 0 && block.peer < size())
        << block.peer << " of " << size();
    SWITCHYARD_CHECK(block.count >= 0 && block.offset >= 0 &&
                     block.count <= element_count - block.offset)
        << block.offset << " + " << block.count << " of " << element_count;
  }
}

// What is received lands nowhere twice, nor where it is sent from: often both
// are parts of one buffer.
void RecordedCommunicator::CheckDisjoint(const ConstTensorView& send,
                                         absl::Span<const Block> send_blocks,
                                         const ConstTensorView& recv,
                                         absl::Span<const Block> recv_blocks) {
  sorted_blocks_.clear();
  // How many of them are empty depends on the routing, the list does not.
  sorted_blocks_.reserve(recv_blocks.size());
  for (const Block& block : recv_blocks) {
    if (block.count > 0) sorted_blocks_.push_back(block);
  }
  std::sort(sorted_blocks_.begin(), sorted_blocks_.end(),
            [](const Block& a, const Block& b) { return a.offset < b.offset; });
  CheckDisjointBlocks(sorted_blocks_);
  if (!Overlap(send, recv)) return;
  const int64_t shift = (AddressOf(send) - AddressOf(recv)) /
                        static_cast<int64_t>(SizeOf(send.dtype()));
  for (const Block& block : send_blocks) {
    if (block.count > 0) CheckOutside(sorted_blocks_, block, shift);
  }
}

}  // namespace switchyard::comm
