// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks find each other where the unique id was made.
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_MEETINGS_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_MEETINGS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nccl/comm.h"
#include "nccl/socket.h"

namespace switchyard::emulation {

// How a rank introduces itself, to a meeting or over a new link.
struct Introduction {
  int32_t rank = 0;
  int32_t size = 0;
  int32_t device = 0;
  int32_t to_device = 0;  // of a link: the other end
  char process[80] = {};

  static Introduction Of(const Endpoint& endpoint);
  Endpoint endpoint() const { return {process, device}; }
};

class Meetings {
 public:
  // A rank came by this socket. The last one sends the table to all.
  void Join(int socket, const Frame& frame);
  // The connection ended before its meeting was complete.
  void Leave(int socket);

 private:
  struct Meeting {
    int size = 0;
    std::map<int, std::pair<int, Introduction>> ranks;  // sockets, by rank
  };
  // Why this rank cannot join; empty if it can.
  static std::string Objection(const Meeting& meeting,
                               const Introduction& rank);

  std::map<uint64_t, Meeting> meetings_;  // by number of the unique id
};

// The members of the communicator in the order of their ranks, or nothing and
// what is wrong. `number` and `place` are those of the unique id.
std::vector<Endpoint> Meet(const std::string& place, uint64_t number,
                           const Introduction& self,
                           const std::function<bool()>& give_up,
                           std::string& error);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_MEETINGS_H_
