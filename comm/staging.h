// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Collectives on a GPU's memory by a library that only reaches the host's: what
// is sent is copied to the host first, what arrived is copied back.
#ifndef SWITCHYARD_COMM_STAGING_H_
#define SWITCHYARD_COMM_STAGING_H_

#include <cstddef>
#include <vector>

#include "switchyard/comm/call.h"

namespace switchyard::comm {

// Of one call at a time; its memory never shrinks.
class Staging {
 public:
  // Waits for the call's stream. From then on the call is about host memory.
  void Begin(Call& call, int rank);
  // Behind the call: what arrived is on the device for what its stream is given
  // from now on.
  void End(const Call& call, int rank);

 private:
  std::vector<std::byte> send_;
  std::vector<std::byte> recv_;
  std::byte* device_recv_ = nullptr;
};

// A group of one rank sends to itself: copies on the device, enqueued.
// False if the blocks of an all-to-all-v do not match.
bool CopyOnDevice(const Call& call);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_STAGING_H_
