// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Collectives on GPUs by NCCL.
//
//   SWITCHYARD_ASSIGN_OR_RETURN(auto device, NewCudaDevice(gpu));
//   SWITCHYARD_RETURN_IF_ERROR(comm::UseNccl(*world, *device, 600));
//
// From then on calls of `world`, and of the groups that are split off it, on
// buffers in the device's memory are enqueued on streams of the device; those
// on the host's memory go their way as before. Ticket::Wait then returns at
// once: what its stream is given afterwards begins behind the collective. The
// group's deadline runs while the host waits for the device; when it passes, or
// when NCCL or a rank fails, all of the process' NCCL communicators are aborted
// and later calls return the error.
//
// All collectives of a process are enqueued by one thread, in the order of its
// calls, which is one on all ranks. Those of one group run one after the other,
// those of several at once where the GPU has room for all of them: three groups
// on an A100 or anything larger (docs/adr/0008). No group then waits for
// another one's end, so they cannot wait for each other in a circle.
#ifndef SWITCHYARD_COMM_NCCL_USE_NCCL_H_
#define SWITCHYARD_COMM_NCCL_USE_NCCL_H_

#include "absl/status/status.h"
#include "switchyard/base/device.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::comm {

// A collective call of `world`'s ranks, each with a GPU of its own (NCCL
// refuses two ranks on one). `device` must live until LeaveNccl, or longer than
// `world` and its groups.
//
// Unimplemented where the program was built without CUDA; Unavailable if NCCL
// fails; DeadlineExceeded if it has not connected the ranks after
// `timeout_seconds`; and errors of `world`'s own calls (communicator.h). One
// rank may get an error where others get none or another one, and has no NCCL
// then: ranks must agree on the result (runtime/parallel/agreement.h) before
// they go on.
absl::Status UseNccl(Communicator& world, Device& device,
                     double timeout_seconds);

// When the groups that were split off are gone: `world` knows of no device any
// more. A collective call, also of ranks whose UseNccl failed.
void LeaveNccl(Communicator& world);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NCCL_USE_NCCL_H_
