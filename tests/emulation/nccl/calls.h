// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of NCCL that move data: how they are checked, announced and executed.
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_CALLS_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_CALLS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nccl/announcement.h"
#include "nccl/comm.h"

namespace switchyard::emulation {

struct NcclCall {
  Announcement announcement;
  std::shared_ptr<Comm> comm;
  const char* send = nullptr;
  char* recv = nullptr;
  int peer = -1;  // of sends and receives
  cudaStream_t stream = nullptr;
  uint64_t index = 0;  // of the data, between two ranks

  // Bytes that this rank reads from `send` and writes to `recv`.
  size_t send_bytes() const;
  size_t recv_bytes() const;
  // Of one rank's part.
  size_t part_bytes() const;
};

// Sets what ncclGetLastError() says to this thread.
ncclResult_t NcclError(ncclResult_t result, const std::string& text);
const std::string& NcclErrorText();

// Issues calls that NCCL would run as one: announces them to the other ranks
// and enqueues them in their streams.
ncclResult_t IssueCalls(std::vector<NcclCall> calls);

// In the thread of the stream: moves the data of all, none before another.
void ExecuteCalls(const std::vector<NcclCall>& calls);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_CALLS_H_
