// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "nccl/start.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "nccl/hub.h"

namespace switchyard::emulation {
namespace {

using Clock = std::chrono::steady_clock;

// A rank's part in a split.
struct Choice {
  int32_t color = 0;
  int32_t key = 0;
};

CommId ChildId(CommId parent, int split, int color) {
  CommId id = parent;
  for (const int value : {split, color}) {
    id = (id ^ static_cast<uint32_t>(value)) * 0x9E3779B97F4A7C15u;
    id ^= id >> 29;
  }
  return id;
}

void Fail(Comm& comm, ncclResult_t result, const std::string& text) {
  const std::lock_guard lock(Hub::Get().mutex());
  Hub::Get().Fail(comm, result, text);
}

void MakeReady(Comm& comm) {
  const std::lock_guard lock(Hub::Get().mutex());
  if (!comm.failed()) comm.state = ncclSuccess;
  Hub::Get().changed().notify_all();
}

// Everything by rank.
void SetMembers(Comm& comm, std::vector<Endpoint> members) {
  comm.size = static_cast<int>(members.size());
  comm.members = std::move(members);
  comm.links.resize(comm.size);
  comm.sends.resize(comm.size);
  comm.receives.resize(comm.size);
}

void ConnectFromId(Comm& comm, const UniqueId& id) {
  const auto limit = Clock::now() + NcclLimit();
  const auto give_up = [&comm, limit] {
    return comm.aborted || Clock::now() > limit;
  };
  Hub& hub = Hub::Get();
  Introduction self = Introduction::Of({hub.name(), comm.device});
  self.rank = comm.rank;
  self.size = comm.size;
  std::string error;
  const std::vector<Endpoint> members =
      Meet(id.place, id.number, self, give_up, error);
  if (!error.empty()) return Fail(comm, ncclInvalidUsage, error);
  std::vector<std::shared_ptr<Link>> links(members.size());
  for (int peer = 0; peer < comm.size; ++peer) {
    if (peer == comm.rank) continue;
    links[peer] = hub.Connect(comm.device, members[peer], give_up);
    if (links[peer] == nullptr) {
      return Fail(comm, ncclRemoteError,
                  "rank " + std::to_string(peer) + " cannot be reached");
    }
  }
  {
    const std::lock_guard lock(hub.mutex());
    SetMembers(comm, members);
    comm.links = links;
  }
  MakeReady(comm);
}

// The choices of all ranks of the parent; nothing if it failed.
std::vector<Choice> ShareChoices(Comm& parent, uint64_t index,
                                 const Choice& own) {
  Hub& hub = Hub::Get();
  Announcement announcement;
  announcement.comm = parent.id;
  announcement.kind = CallKind::kSplit;
  FrameHeader header;
  header.type = FrameType::kData;
  header.index = index;
  const std::string_view body(reinterpret_cast<const char*>(&own), sizeof own);
  for (int peer = 0; peer < parent.size; ++peer) {
    if (peer != parent.rank) hub.Send(parent, peer, header, body);
  }
  std::vector<Choice> choices(parent.size, own);
  for (int peer = 0; peer < parent.size; ++peer) {
    if (peer == parent.rank) continue;
    const auto part = hub.Receive(parent, peer, index, Describe(announcement));
    if (!part || part->size() != sizeof own) return {};
    std::memcpy(&choices[peer], part->data(), sizeof own);
  }
  return choices;
}

void ConnectFromSplit(Comm& parent, Comm& comm,
                      const std::vector<Choice>& choices) {
  const Choice& own = choices[parent.rank];
  std::vector<int> ranks;
  for (int rank = 0; rank < parent.size; ++rank) {
    if (choices[rank].color == own.color) ranks.push_back(rank);
  }
  std::stable_sort(ranks.begin(), ranks.end(), [&choices](int a, int b) {
    return choices[a].key < choices[b].key;
  });
  std::vector<Endpoint> members;
  for (const int rank : ranks) members.push_back(parent.members[rank]);
  const std::lock_guard lock(Hub::Get().mutex());
  SetMembers(comm, members);
  for (size_t i = 0; i < ranks.size(); ++i) {
    comm.links[i] = parent.links[ranks[i]];
    if (ranks[i] == parent.rank) comm.rank = static_cast<int>(i);
  }
}

ncclResult_t StateOf(Comm& comm) {
  const std::lock_guard lock(Hub::Get().mutex());
  return comm.state;
}

// Runs it in the communicator's thread.
void Run(Comm& comm, std::function<void()> start, bool blocking) {
  if (comm.starter.joinable()) comm.starter.join();
  comm.starter = std::thread(std::move(start));
  if (blocking) comm.starter.join();
}

}  // namespace

ncclResult_t StartFromId(const std::shared_ptr<Comm>& comm, const UniqueId& id,
                         bool blocking) {
  {
    const std::lock_guard lock(Hub::Get().mutex());
    comm->id = id.number;
    Hub::Get().Add(comm);
  }
  Run(
      *comm, [comm, id] { ConnectFromId(*comm, id); }, blocking);
  return StateOf(*comm);
}

ncclResult_t StartFromSplit(const std::shared_ptr<Comm>& parent,
                            const std::shared_ptr<Comm>& comm, int color,
                            int key, bool blocking, ncclComm_t* handle) {
  Hub& hub = Hub::Get();
  Announcement announcement;
  announcement.comm = parent->id;
  announcement.kind = CallKind::kSplit;
  uint64_t index = 0;
  {
    const std::lock_guard lock(hub.mutex());
    index = parent->collectives++;
    const CommId id = ChildId(parent->id, ++parent->splits, color);
    parent->state = ncclInProgress;
    if (comm != nullptr) {
      comm->id = id;
      hub.Add(comm);
    }
  }
  for (int peer = 0; peer < parent->size; ++peer) {
    if (peer != parent->rank) hub.Announce(*parent, peer, announcement);
  }
  const auto start = [parent, comm, index, handle, own = Choice{color, key}] {
    const std::vector<Choice> choices = ShareChoices(*parent, index, own);
    if (choices.empty()) {
      Hub::Get().TellFailure(*parent);
      if (comm != nullptr) End(comm);  // nobody has it
      return;
    }
    if (comm != nullptr) {
      ConnectFromSplit(*parent, *comm, choices);
      MakeReady(*comm);
      *handle = comm->handle();
    }
    MakeReady(*parent);
  };
  Run(*parent, start, blocking);
  return StateOf(*parent);
}

void WaitForCalls(Comm& comm) {
  Hub& hub = Hub::Get();
  std::unique_lock lock(hub.mutex());
  hub.changed().wait(lock, [&comm] { return comm.outstanding == 0; });
}

void End(const std::shared_ptr<Comm>& comm) {
  if (comm->starter.joinable()) comm->starter.join();
  const std::lock_guard lock(Hub::Get().mutex());
  Hub::Get().Remove(*comm);
}

}  // namespace switchyard::emulation
