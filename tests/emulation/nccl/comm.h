// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A communicator, as one of its ranks has it.
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_COMM_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_COMM_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "nccl/announcement.h"

namespace switchyard::emulation {

// A device of a process.
struct Endpoint {
  std::string process;
  int device = 0;

  bool operator==(const Endpoint& other) const {
    return process == other.process && device == other.device;
  }
  bool operator<(const Endpoint& other) const {
    return process != other.process ? process < other.process
                                    : device < other.device;
  }
};

// The connection of a device with another one; all their communicators use it.
struct Link {
  int socket = -1;
  int device = 0;  // this end's
  Endpoint peer;
  std::mutex writing;
  // The rest is the hub's (nccl/hub.h) to guard.
  std::atomic<bool> gone = false;
  // Calls that concern both ends and that only one has announced so far.
  std::deque<Announcement> mine, theirs;
  std::string last_of_theirs = "nothing";
};

// Everything but what never changes after the start is guarded by the hub's
// mutex.
struct Comm {
  CommId id = 0;
  int rank = 0;
  int size = 0;
  int device = 0;
  std::vector<Endpoint> members;             // by rank
  std::vector<std::shared_ptr<Link>> links;  // by rank; null: this one

  ncclResult_t state = ncclInProgress;
  std::string text;  // what failed
  std::atomic<bool> aborted = false;
  bool finalizing = false;
  bool told = false;    // the others know that it failed
  int outstanding = 0;  // calls that were issued and are not over
  int splits = 0;
  uint64_t collectives = 0;               // issued
  std::vector<uint64_t> sends, receives;  // issued, by peer
  std::set<int> left;                     // ranks that destroyed theirs

  std::thread starter;  // connects it

  bool failed() const {
    return aborted || (state != ncclSuccess && state != ncclInProgress);
  }
  ncclComm_t handle() { return reinterpret_cast<ncclComm_t>(this); }
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_COMM_H_
