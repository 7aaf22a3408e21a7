// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How a world gets NCCL to carry its calls. Internal to comm/nccl.
#ifndef SWITCHYARD_COMM_NCCL_GIVE_NCCL_H_
#define SWITCHYARD_COMM_NCCL_GIVE_NCCL_H_

#include <memory>

#include "switchyard/base/device.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/comm/nccl/nccl_comm.h"

namespace switchyard::comm {

// `comm` has the ranks of `world`, in the same order.
void GiveNccl(Communicator& world, Device& device,
              std::unique_ptr<NcclComm> comm, double timeout_seconds);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NCCL_GIVE_NCCL_H_
