// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What all groups of a process share: their communicators, which end together,
// and the queues of their calls, streams of the GPU. Internal to comm/nccl.
//
// A group has a queue of its own, so that gradients are reduced while rows
// travel, as long as the kernels of NCCL that may then run at once fit on the
// GPU beside each other. If they did not, one that runs could wait for a rank
// where it cannot begin before another ends, which waits for this rank
// (docs/adr/0008). Groups for which there is no room share the last queue.
#ifndef SWITCHYARD_COMM_NCCL_NCCL_PROCESS_H_
#define SWITCHYARD_COMM_NCCL_NCCL_PROCESS_H_

#include <memory>
#include <vector>

#include "switchyard/base/device.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/nccl/nccl_comm.h"

namespace switchyard::comm {

class NcclProcess {
 public:
  explicit NcclProcess(Device& device);

  // What a new group has. It stays until the process has done with NCCL:
  // another rank may still receive in a group that is gone here.
  struct Group {
    NcclComm& comm;
    Stream& queue;
  };
  Group Join(std::unique_ptr<NcclComm> comm);

  const std::vector<std::unique_ptr<NcclComm>>& comms() const { return comms_; }

 private:
  Device& device_;
  int room_;  // multiprocessors that no queue may fill yet
  std::vector<std::unique_ptr<Stream>> queues_;
  std::vector<std::unique_ptr<NcclComm>> comms_;  // they end first
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NCCL_NCCL_PROCESS_H_
