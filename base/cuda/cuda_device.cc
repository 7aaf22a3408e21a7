// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/cuda/cuda_device.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/cuda/cuda_check.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/base/out_of_memory.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

// The memory of operators stays in the pool between their calls.
void KeepPooledMemory(int index) {
  cudaMemPool_t pool = nullptr;
  SWITCHYARD_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, index));
  uint64_t kept = std::numeric_limits<uint64_t>::max();
  SWITCHYARD_CUDA_CHECK(
      cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept));
}

}  // namespace

CudaDevice::CudaDevice(int index)
    : index_(index), name_(absl::StrCat("cuda:", index)) {
  MakeCurrent();
  SWITCHYARD_CUDA_CHECK(cudaDeviceGetAttribute(
      &multiprocessors_, cudaDevAttrMultiProcessorCount, index));
  KeepPooledMemory(index);
}

void CudaDevice::MakeCurrent() const {
  SWITCHYARD_CUDA_CHECK(cudaSetDevice(index_));
}

void* CudaDevice::Allocate(size_t bytes) {
  MakeCurrent();
  Rest();
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, std::max<size_t>(bytes, 1));
  if (error == cudaErrorMemoryAllocation) EndOutOfMemory(bytes);
  SWITCHYARD_CUDA_CHECK(error);
  return data;
}

void CudaDevice::EndOutOfMemory(size_t bytes) const {
  cudaGetLastError();  // or the next check would meet it
  size_t free = 0, total = 0;
  SWITCHYARD_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  EndOutOfDeviceMemory(name(), bytes, free, total);
}

void CudaDevice::Free(void* data, size_t /*bytes*/) {
  MakeCurrent();
  Rest();
  SWITCHYARD_CUDA_CHECK(cudaFree(data));
}

void* CudaDevice::AllocatePinned(size_t bytes) {
  MakeCurrent();
  Rest();
  void* data = nullptr;
  SWITCHYARD_CUDA_CHECK(cudaHostAlloc(&data, bytes, cudaHostAllocDefault));
  return data;
}

void CudaDevice::FreePinned(void* data) {
  MakeCurrent();
  Rest();
  SWITCHYARD_CUDA_CHECK(cudaFreeHost(data));
}

std::unique_ptr<Stream> CudaDevice::NewStream() {
  return std::make_unique<CudaStream>(*this);
}

void CudaDevice::LookAround() {
  for (CudaWatcher* watcher : watchers_) watcher->Look();
}

void CudaDevice::Rest() {
  const auto busy = [](const CudaWatcher* watcher) { return watcher->Busy(); };
  while (std::any_of(watchers_.begin(), watchers_.end(), busy)) {
    LookAround();
    std::this_thread::yield();
  }
}

void CudaDevice::Remove(CudaWatcher* watcher) {
  watchers_.erase(std::remove(watchers_.begin(), watchers_.end(), watcher),
                  watchers_.end());
}

absl::StatusOr<int> CudaDeviceCount() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    cudaGetLastError();  // or the next check would meet it
    return absl::UnavailableError(absl::StrCat(
        "expected a GPU with NVIDIA's driver, found none (",
        cudaGetErrorString(error),
        "); install the driver, look at CUDA_VISIBLE_DEVICES, or use --device "
        "cpu"));
  }
  return count;
}

absl::StatusOr<std::unique_ptr<Device>> NewCudaDevice(int index) {
  SWITCHYARD_ASSIGN_OR_RETURN(const int count, CudaDeviceCount());
  if (index < 0 || index >= count) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a GPU from 0 to ", count - 1, ", found ", index,
                     "; look at CUDA_VISIBLE_DEVICES"));
  }
  return std::make_unique<CudaDevice>(index);
}

CudaMemory MemoryOf(Device& device) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  static_cast<CudaDevice&>(device).MakeCurrent();
  size_t free = 0, total = 0;
  SWITCHYARD_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return {static_cast<int64_t>(free), static_cast<int64_t>(total)};
}

uint64_t IdentityOf(Device& device) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  cudaDeviceProp properties;
  SWITCHYARD_CUDA_CHECK(cudaGetDeviceProperties(
      &properties, static_cast<CudaDevice&>(device).index()));
  uint64_t words[2];
  static_assert(sizeof(words) == sizeof(properties.uuid));
  std::memcpy(words, &properties.uuid, sizeof(words));
  return MixKey(words[0], words[1]);
}

void AddWatcher(Device& device, CudaWatcher* watcher) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  static_cast<CudaDevice&>(device).Add(watcher);
}

void RemoveWatcher(Device& device, CudaWatcher* watcher) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  static_cast<CudaDevice&>(device).Remove(watcher);
}

}  // namespace switchyard
