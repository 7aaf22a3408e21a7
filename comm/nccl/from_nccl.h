// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// For a program that already uses NCCL: its communicator for a world of
// Switchyard. Nothing of Switchyard includes this, and a Switchyard that was
// built without CUDA does not have it.
#ifndef SWITCHYARD_COMM_NCCL_FROM_NCCL_H_
#define SWITCHYARD_COMM_NCCL_FROM_NCCL_H_

#include <nccl.h>

#include "absl/status/status.h"
#include "switchyard/base/device.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::comm {

// As UseNccl (use_nccl.h), with `comm`, whose ranks are those of `world` in the
// same order. It stays the caller's, who makes no calls with it while `world`
// lives, and destroys it unless `world` has failed (Communicator::Health): then
// it was aborted, which destroyed it. Make it without blocking
// (ncclConfig_t::blocking = 0): no deadline ends a call that blocks. The
// program's own calls of NCCL on this GPU may not run at the same time, unless
// it knows that all of their kernels fit on it beside Switchyard's.
//
// InvalidArgument if `comm` has another rank or size than `world`, Unavailable
// if NCCL does not tell. No rank hears of another one's error, so ranks must
// agree on the result before they go on.
absl::Status UseNcclFrom(Communicator& world, Device& device, ncclComm_t comm,
                         double timeout_seconds);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NCCL_FROM_NCCL_H_
