// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/nccl/use_nccl.h"

#include <nccl.h>

#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/comm/nccl/give_nccl.h"
#include "switchyard/comm/nccl/nccl_comm.h"
#include "switchyard/comm/nccl/nccl_process.h"
#include "switchyard/comm/nccl/nccl_transport.h"
#include "switchyard/comm/recorded_communicator.h"

namespace switchyard::comm {
namespace {

// Rank 0's, on all ranks, with its error if it has none.
absl::StatusOr<ncclUniqueId> ShareUniqueId(Communicator& world) {
  struct Message {
    ncclUniqueId id;
    ncclResult_t result;
  } message = {};
  if (world.rank() == 0) message.result = ncclGetUniqueId(&message.id);
  CpuDevice host;
  const auto stream = host.NewStream();
  Storage storage(host, sizeof(message));
  const TensorView bytes =
      storage.View(DType::kUInt8, {static_cast<int64_t>(sizeof(message))});
  stream->CopyToDevice(bytes, &message);
  SWITCHYARD_RETURN_IF_ERROR(
      world.Broadcast(*stream, bytes, /*root=*/0, {-1, "NCCL's id"}).Wait());
  stream->CopyToHost(&message, bytes);
  stream->Wait();
  SWITCHYARD_RETURN_IF_ERROR(
      NcclStatus(message.result, "ncclGetUniqueId", nullptr));
  return message.id;
}

// Switchyard's own are all of this kind.
RecordedCommunicator& RecordedOf(Communicator& world) {
  auto* recorded = dynamic_cast<RecordedCommunicator*>(&world);
  SWITCHYARD_CHECK(recorded != nullptr)
      << "NCCL carries the calls of Switchyard's own communicators only";
  return *recorded;
}

}  // namespace

void GiveNccl(Communicator& world, Device& device,
              std::unique_ptr<NcclComm> comm, double timeout_seconds) {
  RecordedOf(world).UseTransport(
      std::make_unique<NcclTransport>(std::make_shared<NcclProcess>(device),
                                      std::move(comm), world.rank()),
      device, timeout_seconds);
}

absl::Status UseNccl(Communicator& world, Device& device,
                     double timeout_seconds) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  SWITCHYARD_ASSIGN_OR_RETURN(const ncclUniqueId id, ShareUniqueId(world));
  static_cast<CudaDevice&>(device).MakeCurrent();  // NCCL takes that one
  absl::StatusOr<std::unique_ptr<NcclComm>> comm =
      NcclComm::Create(id, world.rank(), world.size(), timeout_seconds);
  if (!comm.ok()) {
    return absl::Status(
        comm.status().code(),
        absl::StrCat("NCCL's communicator ", comm.status().message(),
                     "; look at NCCL_DEBUG=INFO, or use --transport mpi"));
  }
  GiveNccl(world, device, *std::move(comm), timeout_seconds);
  return absl::OkStatus();
}

void LeaveNccl(Communicator& world) {
  RecordedCommunicator& recorded = RecordedOf(world);
  recorded.FinishFlights();
  // An error is that of a world that has failed: then all were aborted.
  world.Barrier({-1, "end of NCCL"}).Wait().IgnoreError();
  recorded.DropTransport();
}

}  // namespace switchyard::comm
