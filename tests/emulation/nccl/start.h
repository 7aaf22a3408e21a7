// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How communicators begin and end.
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_START_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_START_H_

#include <memory>
#include <string>

#include "nccl/comm.h"

namespace switchyard::emulation {

// What a unique id holds.
struct UniqueId {
  uint64_t number = 0;
  char place[80] = {};
};

// Connects a communicator with its other ranks, in a thread of its own;
// `blocking`: waits for it. Returns its state.
ncclResult_t StartFromId(const std::shared_ptr<Comm>& comm, const UniqueId& id,
                         bool blocking);

// A part of `parent`: the ranks with this color, by key. `comm` is null for
// those that have none; `*handle` is set when it can be used.
ncclResult_t StartFromSplit(const std::shared_ptr<Comm>& parent,
                            const std::shared_ptr<Comm>& comm, int color,
                            int key, bool blocking, ncclComm_t* handle);

// Until its calls are over, or it failed.
void WaitForCalls(Comm& comm);
// Joins its thread and takes it out of the hub.
void End(const std::shared_ptr<Comm>& comm);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_START_H_
