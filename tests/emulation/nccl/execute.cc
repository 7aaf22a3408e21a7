// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <mutex>
#include <utility>

#include "engine/failure.h"
#include "nccl/calls.h"
#include "nccl/hub.h"
#include "nccl/reduction.h"
#include "races/race_checks.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

using Bytes = std::vector<char>;

Bytes ReadDevice(const char* address, size_t bytes) {
  if (bytes == 0) return {};
  const std::lock_guard lock(DeviceMutex());
  NoteRange(address, bytes, AccessKind::kRead);
  return Bytes(address, address + bytes);
}

void WriteDevice(char* address, const Bytes& bytes) {
  if (bytes.empty()) return;
  const std::lock_guard lock(DeviceMutex());
  NoteRange(address, bytes.size(), AccessKind::kWrite);
  std::memcpy(address, bytes.data(), bytes.size());
}

// One call under way. What this rank gives is read before anything is written,
// as buffers may be the same.
class Execution {
 public:
  explicit Execution(const NcclCall& call)
      : call_(call), own_(ReadDevice(call.send, call.send_bytes())) {}

  void Send() {
    for (int peer = 0; peer < comm().size; ++peer) {
      if (!SendsTo(peer)) continue;
      const std::string_view part = PartFor(peer);
      if (peer == comm().rank) {
        // A rank's message to itself.
        Hub::Get().Keep(comm(), call_.index, Bytes(part.begin(), part.end()));
        continue;
      }
      FrameHeader header;
      header.type = FrameType::kData;
      header.index = call_.index;
      Hub::Get().Send(comm(), peer, header, part);
    }
  }
  // Nothing is written if the communicator fails.
  void Receive() {
    std::vector<Bytes> parts(comm().size);
    for (int peer = 0; peer < comm().size; ++peer) {
      if (!ReceivesFrom(peer)) continue;
      if (peer == comm().rank && !point_to_point()) {
        const std::string_view part = PartFor(peer);
        parts[peer].assign(part.begin(), part.end());
        continue;
      }
      std::optional<Bytes> part = Hub::Get().Receive(
          comm(), peer, call_.index, Describe(call_.announcement));
      if (!part || !CheckSize(peer, *part)) return;
      parts[peer] = *std::move(part);
    }
    Write(parts);
  }

 private:
  Comm& comm() const { return *call_.comm; }
  CallKind kind() const { return call_.announcement.kind; }
  bool point_to_point() const { return IsPointToPoint(kind()); }

  bool SendsTo(int peer) const {
    switch (kind()) {
      case CallKind::kSend:
        return peer == call_.peer;
      case CallKind::kRecv:
        return false;
      case CallKind::kBroadcast:
        return call_.announcement.root == comm().rank && peer != comm().rank;
      case CallKind::kReduce:
        return peer == call_.announcement.root && peer != comm().rank;
      default:
        return peer != comm().rank;
    }
  }
  bool ReceivesFrom(int peer) const {
    switch (kind()) {
      case CallKind::kSend:
        return false;
      case CallKind::kRecv:
        return peer == call_.peer;
      case CallKind::kBroadcast:
        return peer == call_.announcement.root;
      case CallKind::kReduce:
        return call_.announcement.root == comm().rank;
      default:
        return true;
    }
  }
  // Of what this rank gives.
  std::string_view PartFor(int peer) const {
    const std::string_view all(own_.data(), own_.size());
    if (kind() != CallKind::kReduceScatter) return all;
    return all.substr(peer * call_.part_bytes(), call_.part_bytes());
  }
  // Only a rank's message to itself was not announced.
  bool CheckSize(int peer, const Bytes& part) {
    if (part.size() == call_.part_bytes()) return true;
    const std::lock_guard lock(Hub::Get().mutex());
    Hub::Get().Fail(comm(), ncclInvalidUsage,
                    "rank " + std::to_string(comm().rank) + " called " +
                        Describe(call_.announcement) + ", rank " +
                        std::to_string(peer) + " sent " +
                        std::to_string(part.size()) + " bytes");
    return false;
  }
  void Write(const std::vector<Bytes>& parts) {
    const Announcement& call = call_.announcement;
    switch (kind()) {
      case CallKind::kAllReduce:
      case CallKind::kReduceScatter:
        WriteDevice(call_.recv, Reduce(parts, call.count, call.type, call.op));
        break;
      case CallKind::kReduce:
        if (call.root == comm().rank) {
          WriteDevice(call_.recv,
                      Reduce(parts, call.count, call.type, call.op));
        }
        break;
      case CallKind::kAllGather: {
        Bytes all;
        for (const Bytes& part : parts) {
          all.insert(all.end(), part.begin(), part.end());
        }
        WriteDevice(call_.recv, all);
        break;
      }
      case CallKind::kBroadcast:
        WriteDevice(call_.recv, parts[call.root]);
        break;
      case CallKind::kRecv:
        WriteDevice(call_.recv, parts[call_.peer]);
        break;
      case CallKind::kSend:
      case CallKind::kSplit:
        break;
    }
  }

  const NcclCall& call_;
  const Bytes own_;
};

void FailWithDevice(Comm& comm) {
  const std::lock_guard lock(Hub::Get().mutex());
  Hub::Get().Fail(comm, ncclUnhandledCudaError,
                  "the device of rank " + std::to_string(comm.rank) +
                      " failed: " + LastFailure());
}

void Finish(const NcclCall& call) {
  Hub& hub = Hub::Get();
  hub.TellFailure(*call.comm);
  const std::lock_guard lock(hub.mutex());
  --call.comm->outstanding;
  hub.changed().notify_all();
}

}  // namespace

void ExecuteCalls(const std::vector<NcclCall>& calls) {
  if (DeviceFailed()) {
    for (const NcclCall& call : calls) FailWithDevice(*call.comm);
  } else {
    std::deque<Execution> executions;
    for (const NcclCall& call : calls) executions.emplace_back(call);
    for (Execution& execution : executions) execution.Send();
    for (Execution& execution : executions) execution.Receive();
  }
  for (const NcclCall& call : calls) Finish(call);
}

}  // namespace switchyard::emulation
