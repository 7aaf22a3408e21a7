// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/conformance/implementation.h"

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/nccl/use_nccl.h"

namespace switchyard::comm {

std::ostream& operator<<(std::ostream& out, const Implementation& it) {
  return out << it.name << " with " << it.ranks << " ranks";
}

std::vector<Implementation> WithDevices(std::vector<Implementation> list) {
  std::vector<Memory> others = {Memory::kGuarded};
  if (CudaDeviceCount().ok()) others.push_back(Memory::kGpu);
  const size_t count = list.size();
  for (const Memory memory : others) {
    for (size_t i = 0; i < count; ++i) {
      list.push_back(list[i]);
      list.back().memory = memory;
    }
  }
  return list;
}

std::string NameOfParam(const ::testing::TestParamInfo<Implementation>& info) {
  const Implementation& it = info.param;
  const char* memories[] = {"Cpu", "Guarded", "Gpu"};
  return it.name + std::to_string(it.ranks) +
         memories[static_cast<int>(it.memory)] +
         (it.max_call_elements > 0 ? "Cut" : "");
}

namespace {

std::unique_ptr<Device> NewDevice(Memory memory, int rank) {
  switch (memory) {
    case Memory::kHost:
      return std::make_unique<CpuDevice>();
    case Memory::kGuarded:
      return std::make_unique<GuardedDevice>();
    case Memory::kGpu:
      break;
  }
  const auto gpus = CudaDeviceCount();
  SWITCHYARD_CHECK(gpus.ok()) << gpus.status();
  auto gpu = NewCudaDevice(rank % *gpus);
  SWITCHYARD_CHECK(gpu.ok()) << gpu.status();
  return *std::move(gpu);
}

}  // namespace

absl::Status ConformanceTest::OnRank(
    Communicator& world, double timeout_seconds,
    const std::function<absl::Status(Rank&)>& body) {
  const Implementation& it = GetParam();
  EXPECT_EQ(world.size(), it.ranks);
  const std::unique_ptr<Device> device = NewDevice(it.memory, world.rank());
  if (it.nccl) {
    SWITCHYARD_RETURN_IF_ERROR(UseNccl(world, *device, timeout_seconds));
  }
  absl::Status status;
  {
    const std::unique_ptr<Stream> stream = device->NewStream();
    Rank rank{world, *device, *stream};
    status = body(rank);
  }
  if (it.nccl) LeaveNccl(world);
  return status;
}

void ConformanceTest::OnEveryRank(
    const std::function<absl::Status(Rank&)>& body, double timeout_seconds) {
  const Implementation& it = GetParam();
  Options options;
  options.timeout_seconds = timeout_seconds;
  if (it.max_call_elements > 0) {
    options.max_call_elements = it.max_call_elements;
  }
  const absl::Status status = it.run(options, [&](Communicator& world) {
    return OnRank(world, timeout_seconds, body);
  });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace switchyard::comm
