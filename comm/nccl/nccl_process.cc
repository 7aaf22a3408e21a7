// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/nccl/nccl_process.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/cuda/cuda_stream.h"

namespace switchyard::comm {
namespace {

// Whether the user's settings, which go before ours, let a kernel of NCCL have
// more blocks than it is asked to.
bool UserAsksForMoreBlocks() {
  for (const char* name : {"NCCL_MAX_CTAS", "NCCL_MIN_CTAS",
                           "NCCL_MIN_NCHANNELS", "NCCL_MIN_P2P_NCHANNELS"}) {
    const char* text = std::getenv(name);
    int blocks = 0;
    if (text != nullptr && absl::SimpleAtoi(text, &blocks) &&
        blocks > NcclComm::kMostBlocks) {
      return true;
    }
  }
  return false;
}

}  // namespace

NcclProcess::NcclProcess(Device& device)
    : device_(device),
      room_(UserAsksForMoreBlocks()
                ? 0
                : static_cast<CudaDevice&>(device).multiprocessors()) {}

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
