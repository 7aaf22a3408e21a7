// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches: what a real device refuses before anything runs, and what a kernel
// was allowed.
#include <algorithm>
#include <map>
#include <mutex>

#include "emulation/control.h"
#include "emulation/launch.h"
#include "emulation/runtime_api.h"
#include "engine/engine.h"
#include "runtime/errors.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

constexpr size_t kUsualSharedBytes = 48 << 10;

std::mutex g_mutex;

// Dynamic shared memory that kernels opted in to.
std::map<const void*, size_t>& OptedIn() {
  static auto* const opted_in = new std::map<const void*, size_t>;
  return *opted_in;
}

size_t DynamicLimit(const void* function) {
  const std::lock_guard lock(g_mutex);
  const auto found = OptedIn().find(function);
  return found == OptedIn().end() ? kUsualSharedBytes : found->second;
}

cudaError_t CheckShape(const Kernel& kernel, const LaunchShape& shape) {
  const uint64_t threads =
      uint64_t{shape.block.x} * shape.block.y * shape.block.z;
  const uint64_t blocks = uint64_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  const std::string name = std::string("launch of ") + kernel.name;
  if (threads == 0 || threads > kMaxThreads || shape.block.z > 64) {
    return Error(cudaErrorInvalidConfiguration,
                 name + ": " + std::to_string(threads) +
                     " threads a block; 1 to 1024, at most 64 along z");
  }
  if (blocks == 0 || shape.grid.x > 0x7fffffffu || shape.grid.y > 65535 ||
      shape.grid.z > 65535) {
    return Error(cudaErrorInvalidConfiguration,
                 name + ": a grid without blocks, or too long along an axis");
  }
  const size_t limit = DynamicLimit(kernel.function);
  if (shape.shared_bytes > limit) {
    return Error(cudaErrorInvalidValue,
                 name + ": " + std::to_string(shape.shared_bytes) +
                     " bytes of dynamic shared memory, the kernel has " +
                     std::to_string(limit) +
                     " (cudaFuncSetAttribute, "
                     "cudaFuncAttributeMaxDynamicSharedMemorySize)");
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t EnqueueKernel(const Kernel& kernel, const LaunchShape& shape,
                          cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckStream(kernel.name, stream));
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckShape(kernel, shape));
  const size_t dynamic_limit = DynamicLimit(kernel.function);
  const size_t limit = dynamic_limit > kUsualSharedBytes
                           ? settings().shared_bytes_opt_in
                           : kUsualSharedBytes;
  return Enqueue(stream, kernel.name, [kernel, shape, limit] {
    const std::lock_guard lock(DeviceMutex());
    Engine::Get().Run(kernel, shape, limit);
  });
}

}  // namespace switchyard::emulation

using switchyard::emulation::Error;
using switchyard::emulation::settings;

cudaError_t cudaFuncSetAttribute(const void* kernel,
                                 cudaFuncAttribute attribute, int value) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(switchyard::emulation::DeviceState());
  if (kernel == nullptr) {
    return Error(cudaErrorInvalidDeviceFunction, "cudaFuncSetAttribute");
  }
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) {
    return cudaSuccess;  // a hint
  }
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      static_cast<size_t>(value) > settings().shared_bytes_opt_in) {
    return Error(cudaErrorInvalidValue,
                 "cudaFuncSetAttribute: " + std::to_string(value) +
                     " bytes of dynamic shared memory; a block can have " +
                     std::to_string(settings().shared_bytes_opt_in));
  }
  const std::lock_guard lock(switchyard::emulation::g_mutex);
  switchyard::emulation::OptedIn()[kernel] = value;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes,
                                  const void* kernel) {
  if (kernel == nullptr) {
    return Error(cudaErrorInvalidDeviceFunction, "cudaFuncGetAttributes");
  }
  *attributes = {};
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = 80;
  attributes->maxDynamicSharedSizeBytes =
      static_cast<int>(switchyard::emulation::DynamicLimit(kernel));
  return cudaSuccess;
}
