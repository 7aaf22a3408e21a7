// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What communicators ask of the hub.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "nccl/hub.h"

namespace switchyard::emulation {

std::shared_ptr<Link> Hub::Connect(int device, const Endpoint& peer,
                                   const std::function<bool()>& give_up) {
  const Endpoint self = {name_, device};
  std::unique_lock lock(mutex_);
  while (links_.count({device, peer}) == 0) {
    if (give_up()) return nullptr;
    if (self < peer) {
      // The lesser one connects.
      const int socket = ConnectTo(peer.process);
      if (socket < 0) return nullptr;
      Introduction introduction = Introduction::Of(self);
      introduction.to_device = peer.device;
      FrameHeader header;
      header.type = FrameType::kLink;
      WriteFrame(
          socket, header,
          {reinterpret_cast<const char*>(&introduction), sizeof introduction},
          give_up);
      auto link = std::make_shared<Link>();
      link->socket = socket;
      link->device = device;
      link->peer = peer;
      links_[{device, peer}] = link;
      Watch(socket, link);
    } else {
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
  }
  return links_[{device, peer}];
}

void Hub::Add(const std::shared_ptr<Comm>& comm) {
  comms_[comm->handle()] = comm;
  const auto early = early_failures_.find({comm->id, comm->device});
  if (early != early_failures_.end()) {
    Fail(*comm, ncclRemoteError, early->second);
  }
}

void Hub::Remove(const Comm& comm) {
  Forget(comm);
  comms_.erase(const_cast<Comm&>(comm).handle());
}

std::shared_ptr<Comm> Hub::Find(ncclComm_t handle) {
  const auto found = comms_.find(handle);
  return found == comms_.end() ? nullptr : found->second;
}

std::shared_ptr<Comm> Hub::FindById(CommId id, int device) {
  for (const auto& [handle, comm] : comms_) {
    if (comm->id == id && comm->device == device) return comm;
  }
  return nullptr;
}

// Nothing of it that is left may be taken for another's.
void Hub::Forget(const Comm& comm) {
  over_.insert({comm.id, comm.device});
  const auto is_its = [&comm](const Announcement& announcement) {
    return announcement.comm == comm.id;
  };
  for (const auto& link : comm.links) {
    if (link == nullptr) continue;
    for (auto* const calls : {&link->mine, &link->theirs}) {
      calls->erase(std::remove_if(calls->begin(), calls->end(), is_its),
                   calls->end());
    }
  }
  auto mail = mail_.lower_bound({comm.id, comm.device, 0, 0});
  while (mail != mail_.end() && std::get<0>(mail->first) == comm.id &&
         std::get<1>(mail->first) == comm.device) {
    mail = mail_.erase(mail);
  }
}

void Hub::Announce(Comm& comm, int peer, const Announcement& announcement) {
  Link& link = *comm.links[peer];
  // Calls go out in the order in which they are remembered.
  const std::lock_guard writing(link.writing);
  {
    const std::lock_guard lock(mutex_);
    if (comm.failed()) return;
    if (comm.left.count(peer) > 0) {
      Fail(comm, ncclInvalidUsage,
           "rank " + std::to_string(comm.rank) + " called " +
               Describe(announcement) + ", which rank " + std::to_string(peer) +
               " has destroyed");
      return;
    }
    link.mine.push_back(announcement);
    Match(link);
  }
  FrameHeader header;
  header.type = FrameType::kAnnounce;
  header.comm = comm.id;
  header.rank = comm.rank;
  WriteFrame(
      link.socket, header,
      {reinterpret_cast<const char*>(&announcement), sizeof announcement},
      [&link] { return link.gone.load(); });
}

bool Hub::Send(Comm& comm, int peer, FrameHeader header,
               std::string_view body) {
  Link& link = *comm.links[peer];
  const std::lock_guard writing(link.writing);
  header.comm = comm.id;
  header.rank = comm.rank;
  const auto give_up = [this, &link] {
    const std::lock_guard lock(mutex_);
    return link.gone.load();
  };
  return WriteFrame(link.socket, header, body, give_up);
}

void Hub::Keep(const Comm& comm, uint64_t index, std::vector<char> body) {
  const std::lock_guard lock(mutex_);
  mail_[{comm.id, comm.device, comm.rank, index}] = std::move(body);
  changed_.notify_all();
}

std::optional<std::vector<char>> Hub::Receive(Comm& comm, int peer,
                                              uint64_t index,
                                              const std::string& call) {
  const MailKey key = {comm.id, comm.device, peer, index};
  const auto limit = std::chrono::steady_clock::now() + NcclLimit();
  std::unique_lock lock(mutex_);
  const bool in_time = changed_.wait_until(
      lock, limit, [&] { return mail_.count(key) > 0 || comm.failed(); });
  if (!in_time) {
    const std::string last = comm.links[peer] == nullptr
                                 ? "nothing"
                                 : comm.links[peer]->last_of_theirs;
    Fail(comm, ncclInternalError,
         "rank " + std::to_string(comm.rank) + " waits in " + call +
             " for rank " + std::to_string(peer) + ", for more than " +
             std::to_string(NcclLimit().count()) +
             " s; the last call that rank announced here is " + last);
  }
  const auto found = mail_.find(key);
  if (comm.failed() || found == mail_.end()) return std::nullopt;
  std::vector<char> body = std::move(found->second);
  mail_.erase(found);
  return body;
}

void Hub::Match(Link& link) {
  while (!link.mine.empty() && !link.theirs.empty()) {
    const Announcement mine = link.mine.front();
    const Announcement theirs = link.theirs.front();
    link.mine.pop_front();
    link.theirs.pop_front();
    if (!Fits(mine, theirs)) FailMismatch(link, mine, theirs);
  }
}

void Hub::FailMismatch(const Link& link, const Announcement& mine,
                       const Announcement& theirs) {
  for (const CommId id : {mine.comm, theirs.comm}) {
    const auto comm = FindById(id, link.device);
    if (comm == nullptr) continue;
    const auto peer = std::find_if(
        comm->links.begin(), comm->links.end(),
        [&link](const auto& other) { return other.get() == &link; });
    Fail(*comm, ncclInvalidUsage,
         "rank " + std::to_string(comm->rank) + " called " + Describe(mine) +
             " where rank " + std::to_string(peer - comm->links.begin()) +
             " called " + Describe(theirs) +
             (mine.comm == theirs.comm
                  ? ""
                  : "; calls on all communicators of a device need one order "
                    "on all ranks"));
  }
}

void Hub::Fail(Comm& comm, ncclResult_t result, const std::string& text) {
  if (comm.failed()) return;
  comm.state = result;
  comm.text = text;
  Forget(comm);
  changed_.notify_all();
}

void Hub::TellFailure(Comm& comm) {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    if (!comm.failed() || comm.told) return;
    comm.told = true;
    text = comm.aborted ? "rank " + std::to_string(comm.rank) +
                              " aborted the communicator"
                        : comm.text;
  }
  FrameHeader header;
  header.type = FrameType::kFailed;
  for (size_t peer = 0; peer < comm.links.size(); ++peer) {
    if (comm.links[peer] != nullptr) {
      Send(comm, static_cast<int>(peer), header, text);
    }
  }
}

void Hub::TellLeft(Comm& comm) {
  FrameHeader header;
  header.type = FrameType::kLeft;
  for (size_t peer = 0; peer < comm.links.size(); ++peer) {
    if (comm.links[peer] != nullptr) {
      Send(comm, static_cast<int>(peer), header, {});
    }
  }
}

}  // namespace switchyard::emulation
