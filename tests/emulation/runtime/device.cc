// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "emulation/control.h"
#include "emulation/runtime_api.h"
#include "runtime/errors.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

constexpr size_t kSharedBytes = 48 << 10;  // without opting in
constexpr size_t kReservedSharedBytes = 1 << 10;
constexpr int kMultiprocessors = 108;
constexpr int kThreadsOfMultiprocessor = 2048;
constexpr int kMajor = 8;  // an A100, the oldest that kernels are built for
constexpr int kMinor = 0;

thread_local int t_device = 0;

cudaError_t CheckDevice(const char* call, int device) {
  if (device >= 0 && device < settings().devices) return cudaSuccess;
  return Error(cudaErrorInvalidDevice, std::string(call) + ": device " +
                                           std::to_string(device) + " of " +
                                           std::to_string(settings().devices));
}

}  // namespace

int CurrentDevice() { return t_device; }

}  // namespace switchyard::emulation

using switchyard::emulation::CheckDevice;
using switchyard::emulation::Error;
using switchyard::emulation::kMajor;
using switchyard::emulation::kMinor;
using switchyard::emulation::settings;
using switchyard::emulation::t_device;

cudaError_t cudaGetDeviceCount(int* count) {
  if (settings().devices == 0) {
    return Error(cudaErrorNoDevice, "cudaGetDeviceCount");
  }
  *count = settings().devices;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckDevice("cudaSetDevice", device));
  t_device = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = t_device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckDevice("cudaGetDeviceProperties", device));
  using namespace switchyard::emulation;  // NOLINT: the constants above
  *properties = {};
  std::strcpy(properties->name, "emulated CUDA device");
  properties->uuid.bytes[0] = static_cast<char>(device);
  properties->totalGlobalMem = settings().memory_bytes;
  properties->sharedMemPerBlock = kSharedBytes;
  properties->sharedMemPerBlockOptin = settings().shared_bytes_opt_in;
  properties->sharedMemPerMultiprocessor =
      settings().shared_bytes_opt_in + kReservedSharedBytes;
  properties->reservedSharedMemPerBlock = kReservedSharedBytes;
  properties->regsPerBlock = 65536;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  const int most_threads[] = {1024, 1024, 64};
  const int most_blocks[] = {2147483647, 65535, 65535};
  std::copy_n(most_threads, 3, properties->maxThreadsDim);
  std::copy_n(most_blocks, 3, properties->maxGridSize);
  properties->major = kMajor;
  properties->minor = kMinor;
  properties->multiProcessorCount = kMultiprocessors;
  properties->l2CacheSize = 1 << 20;
  properties->maxThreadsPerMultiProcessor = kThreadsOfMultiprocessor;
  properties->asyncEngineCount = 2;
  properties->concurrentKernels = 1;
  properties->unifiedAddressing = 1;
  properties->memoryPoolsSupported = 1;
  properties->pciBusID = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute,
                                   int device) {
  cudaDeviceProp properties;
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      cudaGetDeviceProperties(&properties, device));
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(properties.sharedMemPerBlock);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(properties.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *value = static_cast<int>(properties.reservedSharedMemPerBlock);
      break;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      break;
    case cudaDevAttrConcurrentKernels:
      *value = properties.concurrentKernels;
      break;
    case cudaDevAttrL2CacheSize:
      *value = properties.l2CacheSize;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = properties.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrAsyncEngineCount:
      *value = properties.asyncEngineCount;
      break;
    case cudaDevAttrUnifiedAddressing:
      *value = properties.unifiedAddressing;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = properties.memoryPoolsSupported;
      break;
    default:
      return Error(cudaErrorInvalidValue,
                   "cudaDeviceGetAttribute: attribute " +
                       std::to_string(static_cast<int>(attribute)));
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int size, int device) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckDevice("cudaDeviceGetPCIBusId", device));
  std::snprintf(id, size, "0000:%02X:00.0", device);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(switchyard::emulation::DeviceState());
  *total = settings().memory_bytes;
  *free = *total - switchyard::emulation::Memory::Get().used(t_device);
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(switchyard::emulation::DeviceState());
  return switchyard::emulation::SynchronizeDevice(t_device);
}
