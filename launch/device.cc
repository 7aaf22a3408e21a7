// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/device.h"

#include <algorithm>
#include <cstdint>
#include <map>
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

// With where it happened, for other ranks report it too.
absl::Status Located(const comm::Communicator& world,
                     const absl::Status& status) {
  if (status.ok() || world.size() == 1) return status;
  return absl::Status(status.code(),
                      absl::StrCat("rank ", world.rank(), " (host ",
                                   world.members()[world.rank()].host,
                                   "): ", status.message()));
}

absl::StatusOr<std::unique_ptr<Device>> NewGpu(
    const comm::Communicator& world) {
  SWITCHYARD_ASSIGN_OR_RETURN(const int gpus, CudaDeviceCount());
  return NewCudaDevice(RankOnNode(world) % gpus);
}

// How many ranks have this rank's GPU, and how many at most have the same one.
// What a process sees of its node says nothing of that: a launcher may show
// each rank one GPU. A collective call.
struct Sharing {
  int64_t here = 0;
  int64_t most = 0;
};
absl::StatusOr<Sharing> CountSharing(comm::Communicator& world,
                                     Device& device) {
  const int64_t mine[] = {world.members()[world.rank()].node,
                          static_cast<int64_t>(IdentityOf(device))};
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world, mine));
  std::map<std::pair<int64_t, int64_t>, int64_t> ranks;
  for (size_t i = 0; i < all.size(); i += 2) ++ranks[{all[i], all[i + 1]}];
  Sharing result;
  result.here = ranks[{mine[0], mine[1]}];
  for (const auto& [gpu, count] : ranks) {
    result.most = std::max(result.most, count);
  }
  return result;
}

// A collective call.
absl::StatusOr<bool> UsesNccl(comm::Communicator& world, Device& device,
                              Transport transport) {
  if (transport == Transport::kMpi) return false;
  SWITCHYARD_ASSIGN_OR_RETURN(const Sharing sharing,
                              CountSharing(world, device));
  if (sharing.most == 1 || transport == Transport::kAuto) {
    return sharing.most == 1;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a GPU for every rank with --transport nccl, found ",
      sharing.most,
      " ranks on one; start fewer ranks a node, or use --transport mpi"));
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
  SWITCHYARD_RETURN_IF_ERROR(
      AgreeOnStatus(world, Located(world, gpu.status())));
  RankDevice result(*std::move(gpu));
  if (world.size() == 1) return result;
  SWITCHYARD_ASSIGN_OR_RETURN(const bool nccl,
                              UsesNccl(world, *result, choice.transport));
  if (nccl) {
    const absl::Status used =
        comm::UseNccl(world, *result, choice.timeout_seconds);
    result.world_ = &world;  // all ranks leave, also where it failed
    SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, Located(world, used)));
  }
  return result;
}

absl::Status CheckGpuMemory(comm::Communicator& world, Device& device,
                            int64_t rank_bytes) {
  SWITCHYARD_ASSIGN_OR_RETURN(const Sharing sharing,
                              CountSharing(world, device));
  const CudaMemory memory = MemoryOf(device);
  const int64_t ranks = sharing.here;
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
