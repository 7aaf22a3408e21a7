// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/nccl/nccl_process.h"

#include <utility>

#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/cuda/cuda_stream.h"

namespace switchyard::comm {

NcclProcess::NcclProcess(Device& device)
    : device_(device),
      room_(static_cast<CudaDevice&>(device).multiprocessors()) {}

NcclProcess::Group NcclProcess::Join(std::unique_ptr<NcclComm> comm) {
  const int blocks = comm->most_blocks();
  comms_.push_back(std::move(comm));
  if (queues_.empty() || blocks <= room_) {
    queues_.push_back(NewUrgentStream(device_));
    room_ -= blocks;
  }
  return {*comms_.back(), *queues_.back()};
}

}  // namespace switchyard::comm
