// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Collectives as calls of NCCL. Internal to comm/nccl.
#ifndef SWITCHYARD_COMM_NCCL_NCCL_CALLS_H_
#define SWITCHYARD_COMM_NCCL_NCCL_CALLS_H_

#include <nccl.h>

#include "absl/status/status.h"
#include "switchyard/comm/call.h"

namespace switchyard::comm {

// Enqueues `call` of rank `rank` on `stream`. NCCL may still be taking it when
// this returns OK (NcclComm::Taken); `result` is what it said last.
struct NcclGroup {
  ncclComm_t comm = nullptr;
  int rank = 0;
  cudaStream_t stream = nullptr;
};
absl::Status EnqueueNcclCall(const NcclGroup& group, const Call& call,
                             ncclResult_t& result);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NCCL_NCCL_CALLS_H_
