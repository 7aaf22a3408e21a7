// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/device.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/base/number_text.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/nccl/use_nccl.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::launch {
namespace {

// This rank's number among those of its node.
int RankOnNode(const comm::Communicator& world) {
  const std::vector<comm::Member>& members = world.members();
  const int node = members[world.rank()].node;
  return static_cast<int>(std::count_if(
      members.begin(), members.begin() + world.rank(),
      [node](const comm::Member& member) { return member.node == node; }));
}

absl::StatusOr<std::unique_ptr<Device>> NewGpu(
    const comm::Communicator& world) {
  SWITCHYARD_ASSIGN_OR_RETURN(const int gpus, CudaDeviceCount());
  return NewCudaDevice(RankOnNode(world) % gpus);
}

// Ranks of this rank's node that have its GPU.
int64_t RanksOnGpu(const comm::Communicator& world, int gpus) {
  const std::vector<comm::Member>& members = world.members();
  const int node = members[world.rank()].node;
  const int64_t on_node = std::count_if(
      members.begin(), members.end(),
      [node](const comm::Member& member) { return member.node == node; });
  const int gpu = RankOnNode(world) % gpus;
  return on_node / gpus + (gpu < on_node % gpus ? 1 : 0);
}

// A collective call.
absl::StatusOr<bool> UsesNccl(comm::Communicator& world, Transport transport) {
  if (transport == Transport::kMpi) return false;
  SWITCHYARD_ASSIGN_OR_RETURN(const int gpus, CudaDeviceCount());
  const int64_t shares = RankOnNode(world) >= gpus ? 1 : 0;
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world, {&shares, 1}));
  const bool shared = std::find(all.begin(), all.end(), 1) != all.end();
  if (!shared || transport == Transport::kAuto) return !shared;
  return absl::InvalidArgumentError(
      "expected a GPU for every rank with --transport nccl, found ranks that "
      "share one; start fewer ranks a node, or use --transport mpi");
}

}  // namespace

RankDevice::~RankDevice() {
  if (world_ != nullptr) comm::LeaveNccl(*world_);
}

absl::StatusOr<RankDevice> RankDevice::Create(comm::Communicator& world,
                                              const Choice& choice) {
  if (choice.kind == DeviceKind::kCpu) {
    return RankDevice(std::make_unique<CpuDevice>(choice.threads));
  }
  absl::StatusOr<std::unique_ptr<Device>> gpu = NewGpu(world);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, gpu.status()));
  RankDevice result(*std::move(gpu));
  if (world.size() == 1) return result;
  SWITCHYARD_ASSIGN_OR_RETURN(const bool nccl,
                              UsesNccl(world, choice.transport));
  if (nccl) {
    SWITCHYARD_RETURN_IF_ERROR(
        comm::UseNccl(world, *result, choice.timeout_seconds));
    result.world_ = &world;
  }
  return result;
}

absl::Status CheckGpuMemory(comm::Communicator& world, Device& device,
                            int64_t rank_bytes) {
  SWITCHYARD_ASSIGN_OR_RETURN(const int gpus, CudaDeviceCount());
  const CudaMemory memory = MemoryOf(device);
  const int64_t ranks = RanksOnGpu(world, gpus);
  absl::Status status;
  if (rank_bytes > memory.total / ranks) {
    status = absl::ResourceExhaustedError(absl::StrCat(
        "expected ", ranks, ranks == 1 ? " rank" : " ranks", " of ",
        ByteText(rank_bytes), " and more on ", device.name(), " of ",
        world.members()[world.rank()].host, ", found a GPU of ",
        ByteText(memory.total),
        "; use more ranks, a smaller model, or --determinism run"));
  }
  return AgreeOnStatus(world, status);
}

}  // namespace switchyard::launch
