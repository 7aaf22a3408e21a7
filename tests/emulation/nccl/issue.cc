// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <utility>

#include "nccl/calls.h"
#include "nccl/hub.h"
#include "nccl/reduction.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

constexpr uint64_t kPointToPoint = uint64_t{1} << 63;

thread_local std::string t_text;

// Within a group, ranks may call in any order as long as each pair of them has
// the same calls: they are put into one that both derive. Collectives of a
// communicator keep theirs.
std::tuple<CommId, bool, bool> OrderKey(const NcclCall& call) {
  const CallKind kind = call.announcement.kind;
  const bool from_lower =
      (kind == CallKind::kSend) == (call.comm->rank < call.peer);
  return {call.comm->id, IsPointToPoint(kind),
          IsPointToPoint(kind) && !from_lower};
}

uint64_t NextIndex(NcclCall& call) {
  Comm& comm = *call.comm;
  const std::lock_guard lock(Hub::Get().mutex());
  ++comm.outstanding;
  switch (call.announcement.kind) {
    case CallKind::kSend:
      return kPointToPoint | comm.sends[call.peer]++;
    case CallKind::kRecv:
      return kPointToPoint | comm.receives[call.peer]++;
    default:
      return comm.collectives++;
  }
}

void Announce(const NcclCall& call) {
  Comm& comm = *call.comm;
  for (int peer = 0; peer < comm.size; ++peer) {
    const bool concerned =
        !IsPointToPoint(call.announcement.kind) || peer == call.peer;
    if (concerned && peer != comm.rank) {
      Hub::Get().Announce(comm, peer, call.announcement);
    }
  }
}

std::string NameOfOperation(const std::vector<NcclCall>& calls) {
  std::string name = Describe(calls.front().announcement);
  if (calls.size() > 1) {
    name += " and " + std::to_string(calls.size() - 1) + " more";
  }
  return name;
}

}  // namespace

ncclResult_t NcclError(ncclResult_t result, const std::string& text) {
  t_text = text;
  return result;
}

const std::string& NcclErrorText() { return t_text; }

size_t NcclCall::part_bytes() const {
  return announcement.count * BytesOf(announcement.type);
}

size_t NcclCall::send_bytes() const {
  switch (announcement.kind) {
    case CallKind::kReduceScatter:
      return part_bytes() * comm->size;
    case CallKind::kBroadcast:
      return announcement.root == comm->rank ? part_bytes() : 0;
    case CallKind::kRecv:
      return 0;
    default:
      return part_bytes();
  }
}

size_t NcclCall::recv_bytes() const {
  switch (announcement.kind) {
    case CallKind::kAllGather:
      return part_bytes() * comm->size;
    case CallKind::kReduce:
      return announcement.root == comm->rank ? part_bytes() : 0;
    case CallKind::kSend:
      return 0;
    default:
      return part_bytes();
  }
}

ncclResult_t IssueCalls(std::vector<NcclCall> calls) {
  std::stable_sort(calls.begin(), calls.end(),
                   [](const NcclCall& a, const NcclCall& b) {
                     return OrderKey(a) < OrderKey(b);
                   });
  std::map<cudaStream_t, std::vector<NcclCall>> by_stream;
  for (NcclCall& call : calls) {
    call.index = NextIndex(call);
    Announce(call);
    by_stream[call.stream].push_back(call);
  }
  for (auto& [stream, group] : by_stream) {
    const std::string name = NameOfOperation(group);
    EnqueueWaiting(stream, name,
                   [group = std::move(group)] { ExecuteCalls(group); });
  }
  return ncclSuccess;
}

}  // namespace switchyard::emulation
