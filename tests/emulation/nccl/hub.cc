// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "nccl/hub.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <utility>

namespace switchyard::emulation {
namespace {

std::string NewName() {
  std::random_device random;
  char name[64];
  std::snprintf(name, sizeof name, "switchyard-nccl-%d-%08x%08x",
                static_cast<int>(getpid()), random(), random());
  return name;
}

}  // namespace

std::chrono::seconds NcclLimit() {
  const char* const value = std::getenv("SWITCHYARD_EMULATION_NCCL_TIMEOUT");
  constexpr int kUsualSeconds = 60;
  return std::chrono::seconds(value == nullptr ? kUsualSeconds
                                               : std::atoi(value));
}

Hub& Hub::Get() {
  static Hub* const hub = new Hub;  // outlives its thread
  return *hub;
}

Hub::Hub() : name_(NewName()), listener_(ListenAt(name_)) {
  if (listener_ < 0 || pipe2(wake_, O_CLOEXEC) != 0) {
    std::perror("emulation: a socket for other ranks");
    std::abort();
  }
  std::thread([this] { Serve(); }).detach();
}

void Hub::Serve() {
  for (;;) {
    std::vector<pollfd> waiting = {{listener_, POLLIN, 0},
                                   {wake_[0], POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [socket, connection] : connections_) {
        waiting.push_back({socket, POLLIN, 0});
      }
    }
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[0].revents != 0) Accept();
    char byte;
    if (waiting[1].revents != 0 && read(wake_[0], &byte, 1) < 0) continue;
    for (size_t i = 2; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      Connection* connection = nullptr;
      {
        const std::lock_guard lock(mutex_);
        connection = connections_[waiting[i].fd].get();
      }
      Read(*connection);
    }
  }
}

void Hub::Accept() {
  const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket < 0) return;
  const std::lock_guard lock(mutex_);
  Watch(socket, nullptr);
}

void Hub::Watch(int socket, std::shared_ptr<Link> link) {
  auto connection = std::make_unique<Connection>();
  connection->socket = socket;
  connection->link = std::move(link);
  connections_[socket] = std::move(connection);
  [[maybe_unused]] const ssize_t written = write(wake_[1], "", 1);
}

void Hub::Read(Connection& connection) {
  const bool open = connection.reader.ReadFrom(connection.socket);
  while (const std::optional<Frame> frame = connection.reader.Next()) {
    Handle(connection, *frame);
  }
  if (!open) Close(connection);
}

void Hub::Handle(Connection& connection, const Frame& frame) {
  if (frame.header.type == FrameType::kJoin) {
    meetings_.Join(connection.socket, frame);
    return;
  }
  const std::lock_guard lock(mutex_);
  if (frame.header.type == FrameType::kLink &&
      frame.body.size() == sizeof(Introduction)) {
    Introduction introduction;
    std::memcpy(&introduction, frame.body.data(), sizeof introduction);
    auto link = std::make_shared<Link>();
    link->socket = connection.socket;
    link->device = introduction.to_device;
    link->peer = introduction.endpoint();
    links_[{link->device, link->peer}] = link;
    connection.link = std::move(link);
  } else if (connection.link != nullptr) {
    HandleOfLink(connection.link, frame);
  }
  changed_.notify_all();
}

void Hub::HandleOfLink(const std::shared_ptr<Link>& link, const Frame& frame) {
  const FrameHeader& header = frame.header;
  const bool over = over_.count({header.comm, link->device}) > 0;
  if (over) return;
  const std::string text(frame.body.begin(), frame.body.end());
  switch (header.type) {
    case FrameType::kData:
      mail_[{header.comm, link->device, header.rank, header.index}] =
          frame.body;
      break;
    case FrameType::kAnnounce: {
      Announcement announcement;
      if (frame.body.size() != sizeof announcement) return;
      std::memcpy(&announcement, frame.body.data(), sizeof announcement);
      link->last_of_theirs = Describe(announcement);
      link->theirs.push_back(announcement);
      Match(*link);
      break;
    }
    case FrameType::kFailed:
      if (const auto comm = FindById(header.comm, link->device)) {
        Fail(*comm, ncclRemoteError, text);
      } else {
        early_failures_[{header.comm, link->device}] = text;
      }
      break;
    case FrameType::kLeft:
      HandleLeft(*link, header);
      break;
    default:
      break;
  }
}

void Hub::HandleLeft(const Link& link, const FrameHeader& header) {
  const auto comm = FindById(header.comm, link.device);
  if (comm == nullptr) return;
  comm->left.insert(header.rank);
  for (const Announcement& call : link.mine) {
    if (call.comm != header.comm) continue;
    Fail(*comm, ncclInvalidUsage,
         "rank " + std::to_string(comm->rank) + " called " + Describe(call) +
             ", rank " + std::to_string(header.rank) +
             " destroyed it without that");
    return;
  }
}

void Hub::Close(Connection& connection) {
  meetings_.Leave(connection.socket);
  const std::lock_guard lock(mutex_);
  if (const auto link = connection.link) {
    link->gone = true;
    links_.erase({link->device, link->peer});
    for (const auto& [handle, comm] : comms_) {
      for (int rank = 0; rank < comm->size; ++rank) {
        if (comm->links.empty() || comm->links[rank] != link ||
            comm->left.count(rank) > 0) {
          continue;
        }
        Fail(*comm, ncclRemoteError,
             "the process of rank " + std::to_string(rank) + " has ended");
      }
    }
  }
  changed_.notify_all();
  close(connection.socket);
  connections_.erase(connection.socket);
}

}  // namespace switchyard::emulation
