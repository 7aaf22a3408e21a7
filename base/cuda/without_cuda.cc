// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// cuda_device.h in a program that was built without CUDA.
#include "switchyard/base/check.h"
#include "switchyard/base/cuda/cuda_device.h"

namespace switchyard {
namespace {

absl::Status BuiltWithoutCuda() {
  return absl::UnimplementedError(
      "expected a GPU, but this program was built without CUDA; configure it "
      "with -DSWITCHYARD_CUDA=ON, or use --device cpu");
}

}  // namespace

absl::StatusOr<int> CudaDeviceCount() { return BuiltWithoutCuda(); }

absl::StatusOr<std::unique_ptr<Device>> NewCudaDevice(int /*index*/) {
  return BuiltWithoutCuda();
}

CudaMemory MemoryOf(Device& device) {
  SWITCHYARD_CHECK(false) << device.name();
  return {};
}

void AddWatcher(Device& device, CudaWatcher* /*watcher*/) {
  SWITCHYARD_CHECK(false) << device.name();
}

void RemoveWatcher(Device& device, CudaWatcher* /*watcher*/) {
  SWITCHYARD_CHECK(false) << device.name();
}

}  // namespace switchyard
