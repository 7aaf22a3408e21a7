// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// This process's end of all communicators: a thread that takes in what other
// ranks send, whether or not somebody waits for it, so that sending never
// waits for the receiver's call.
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_HUB_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_HUB_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "nccl/comm.h"
#include "nccl/meetings.h"
#include "nccl/socket.h"

namespace switchyard::emulation {

// How long a call may wait for other ranks
// (SWITCHYARD_EMULATION_NCCL_TIMEOUT).
std::chrono::seconds NcclLimit();

class Hub {
 public:
  static Hub& Get();

  const std::string& name() const { return name_; }
  // Guards communicators, links and what has arrived.
  std::mutex& mutex() { return mutex_; }
  // Notified whenever any of that changes.
  std::condition_variable& changed() { return changed_; }

  // The link of a device with another one. Null: there is none, or `give_up`
  // said so.
  std::shared_ptr<Link> Connect(int device, const Endpoint& peer,
                                const std::function<bool()>& give_up);

  // Communicators that can be named. The mutex is held.
  void Add(const std::shared_ptr<Comm>& comm);
  void Remove(const Comm& comm);
  std::shared_ptr<Comm> Find(ncclComm_t handle);

  // Tells the rank behind the link of a call of this one's communicator.
  void Announce(Comm& comm, int peer, const Announcement& announcement);
  // False: the link is gone.
  bool Send(Comm& comm, int peer, FrameHeader header, std::string_view body);
  // What the rank sent under the index; nothing if the communicator failed
  // meanwhile. `call` is named if the limit passes.
  std::optional<std::vector<char>> Receive(Comm& comm, int peer, uint64_t index,
                                           const std::string& call);
  // Data for this rank itself.
  void Keep(const Comm& comm, uint64_t index, std::vector<char> body);

  // The communicator failed; the first time counts. The mutex is held.
  void Fail(Comm& comm, ncclResult_t result, const std::string& text);
  // Tells the others, if they are not told yet. The mutex is not held.
  void TellFailure(Comm& comm);
  void TellLeft(Comm& comm);

 private:
  // Communicator, device, rank, index.
  using MailKey = std::tuple<CommId, int, int, uint64_t>;
  struct Connection {
    int socket;
    FrameReader reader;
    std::shared_ptr<Link> link;  // once it said who it is
  };

  Hub();
  void Serve();
  void Accept();
  void Read(Connection& connection);
  void Handle(Connection& connection, const Frame& frame);
  void HandleOfLink(const std::shared_ptr<Link>& link, const Frame& frame);
  void HandleLeft(const Link& link, const FrameHeader& header);
  void Close(Connection& connection);
  void Watch(int socket, std::shared_ptr<Link> link);
  void Match(Link& link);
  void FailMismatch(const Link& link, const Announcement& mine,
                    const Announcement& theirs);
  void Forget(const Comm& comm);
  std::shared_ptr<Comm> FindById(CommId id, int device);

  std::string name_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::mutex mutex_;
  std::condition_variable changed_;
  Meetings meetings_;  // of the serving thread alone
  std::map<int, std::unique_ptr<Connection>> connections_;  // by socket
  std::map<std::pair<int, Endpoint>, std::shared_ptr<Link>> links_;
  std::map<ncclComm_t, std::shared_ptr<Comm>> comms_;
  std::set<std::pair<CommId, int>> over_;  // that failed or were destroyed
  std::map<std::pair<CommId, int>, std::string> early_failures_;
  std::map<MailKey, std::vector<char>> mail_;
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_HUB_H_
