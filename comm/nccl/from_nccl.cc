// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/nccl/from_nccl.h"

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/nccl/give_nccl.h"

namespace switchyard::comm {

absl::Status UseNcclFrom(Communicator& world, Device& device, ncclComm_t comm,
                         double timeout_seconds) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  int rank = -1, size = 0;
  SWITCHYARD_RETURN_IF_ERROR(
      NcclStatus(ncclCommUserRank(comm, &rank), "ncclCommUserRank", comm));
  SWITCHYARD_RETURN_IF_ERROR(
      NcclStatus(ncclCommCount(comm, &size), "ncclCommCount", comm));
  if (rank != world.rank() || size != world.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected NCCL's rank ", world.rank(), " of ", world.size(), ", found ",
        rank, " of ", size, "; order its ranks as those of the world"));
  }
  GiveNccl(world, device, NcclComm::Borrow(comm, timeout_seconds),
           timeout_seconds);
  return absl::OkStatus();
}

}  // namespace switchyard::comm
