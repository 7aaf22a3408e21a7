// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The device of a rank, and how its memory travels to other ranks'.
#ifndef SWITCHYARD_LAUNCH_DEVICE_H_
#define SWITCHYARD_LAUNCH_DEVICE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "switchyard/base/device.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::launch {

// Of buffers on GPUs.
enum class Transport {
  kAuto,  // kNccl if every rank has a GPU of its own
  kNccl,
  kMpi,  // through host memory
};

class RankDevice {
 public:
  // The host with so many threads, or the GPU of this rank (on a node, ranks
  // take its GPUs in turn), whose memory `world` and the groups that are split
  // off it then carry. A collective call: an error on one rank is one on all.
  struct Choice {
    DeviceKind kind = DeviceKind::kCpu;
    int threads = 1;  // of the host
    Transport transport = Transport::kAuto;
    double timeout_seconds = 300.0;
  };
  static absl::StatusOr<RankDevice> Create(comm::Communicator& world,
                                           const Choice& choice);

  RankDevice(RankDevice&& other) noexcept
      : device_(std::move(other.device_)),
        world_(std::exchange(other.world_, nullptr)) {}
  // The groups that were split off are gone, `world` is not.
  ~RankDevice();

  bool uses_nccl() const { return world_ != nullptr; }
  Device& operator*() const { return *device_; }
  Device* operator->() const { return device_.get(); }

 private:
  explicit RankDevice(std::unique_ptr<Device> device)
      : device_(std::move(device)) {}

  std::unique_ptr<Device> device_;
  comm::Communicator* world_ = nullptr;  // that uses NCCL
};

// An error if the ranks of a GPU cannot hold `rank_bytes` each, what is there
// from the first step to the last: Plan's memory.fixed(). A collective call.
absl::Status CheckGpuMemory(comm::Communicator& world, Device& device,
                            int64_t rank_bytes);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_DEVICE_H_
