// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Allocation, pinned memory and memory pools.
#include "emulation/control.h"
#include "emulation/runtime_api.h"
#include "races/race_checks.h"
#include "runtime/errors.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

cudaError_t Allocate(const char* call, void** address, size_t bytes) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  if (address == nullptr) {
    return Error(cudaErrorInvalidValue, std::string(call) + ": no address");
  }
  *address = nullptr;
  if (bytes == 0) return cudaSuccess;
  *address =
      Memory::Get().Allocate(MemoryKind::kDevice, bytes, CurrentDevice());
  if (*address != nullptr) return cudaSuccess;
  return Error(cudaErrorMemoryAllocation,
               std::string(call) + " of " + std::to_string(bytes) + " bytes");
}

int DeviceOf(cudaMemPool_t pool) {
  return static_cast<int>(reinterpret_cast<size_t>(pool)) - 1;
}

cudaError_t CheckPool(const char* call, cudaMemPool_t pool) {
  const int device = DeviceOf(pool);
  if (device >= 0 && device < settings().devices) return cudaSuccess;
  return Error(cudaErrorInvalidValue, std::string(call) + ": no such pool");
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::AccessKind;
using switchyard::emulation::CheckPool;
using switchyard::emulation::CheckStream;
using switchyard::emulation::CurrentDevice;
using switchyard::emulation::DeviceMutex;
using switchyard::emulation::DeviceState;
using switchyard::emulation::Enqueue;
using switchyard::emulation::Error;
using switchyard::emulation::Memory;
using switchyard::emulation::MemoryKind;
using switchyard::emulation::NoteRange;
using switchyard::emulation::NoteUninitialised;

cudaError_t cudaMalloc(void** address, size_t bytes) {
  return switchyard::emulation::Allocate("cudaMalloc", address, bytes);
}

cudaError_t cudaFree(void* address) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  if (address == nullptr) return cudaSuccess;
  switchyard::emulation::SynchronizeDevice(CurrentDevice());
  if (Memory::Get().Free(MemoryKind::kDevice, address)) return cudaSuccess;
  return Error(cudaErrorInvalidValue,
               "cudaFree: not the address of an allocation of a device");
}

cudaError_t cudaMallocAsync(void** address, size_t bytes, cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckStream("cudaMallocAsync", stream));
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      switchyard::emulation::Allocate("cudaMallocAsync", address, bytes));
  // It exists in the order of this stream.
  return Enqueue(stream, "cudaMallocAsync", [memory = *address, bytes] {
    const std::lock_guard lock(DeviceMutex());
    NoteRange(memory, bytes, AccessKind::kWrite);
    NoteUninitialised(memory, bytes);
  });
}

cudaError_t cudaFreeAsync(void* address, cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckStream("cudaFreeAsync", stream));
  if (address == nullptr) return cudaSuccess;
  if (!Memory::Get().BeginFree(address)) {
    return Error(cudaErrorInvalidValue,
                 "cudaFreeAsync: not the address of an allocation of a device "
                 "that is still in use");
  }
  return Enqueue(stream, "cudaFreeAsync", [address] {
    const std::lock_guard lock(DeviceMutex());
    NoteRange(address, Memory::Get().Find(address)->bytes, AccessKind::kWrite);
    Memory::Get().Free(MemoryKind::kDevice, address);
  });
}

cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned flags) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  if (address == nullptr || flags > cudaHostAllocPortable) {
    return Error(cudaErrorInvalidValue, "cudaHostAlloc: address or flags");
  }
  *address = nullptr;
  if (bytes == 0) return cudaSuccess;
  *address =
      Memory::Get().Allocate(MemoryKind::kPinned, bytes, CurrentDevice());
  if (*address != nullptr) return cudaSuccess;
  return Error(cudaErrorMemoryAllocation,
               "cudaHostAlloc of " + std::to_string(bytes) + " bytes");
}

cudaError_t cudaMallocHost(void** address, size_t bytes) {
  return cudaHostAlloc(address, bytes, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void* address) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(DeviceState());
  if (address == nullptr) return cudaSuccess;
  switchyard::emulation::SynchronizeDevice(CurrentDevice());
  if (Memory::Get().Free(MemoryKind::kPinned, address)) return cudaSuccess;
  return Error(cudaErrorInvalidValue,
               "cudaFreeHost: not the address of pinned memory");
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes,
                                     const void* address) {
  void* const pointer = const_cast<void*>(address);
  const auto found = Memory::Get().Find(address);
  if (!found) {
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, pointer};
  } else if (found->kind == MemoryKind::kDevice) {
    *attributes = {cudaMemoryTypeDevice, found->device, pointer, nullptr};
  } else {
    *attributes = {cudaMemoryTypeHost, found->device, pointer, pointer};
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  // The handle is the device's number, counted from 1.
  *pool = reinterpret_cast<cudaMemPool_t>(static_cast<size_t>(device) + 1);
  return CheckPool("cudaDeviceGetDefaultMemPool", *pool);
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool,
                                    cudaMemPoolAttr attribute, void* value) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckPool("cudaMemPoolSetAttribute", pool));
  // Memory goes back at once, whatever may be kept.
  if (attribute == cudaMemPoolAttrReleaseThreshold && value != nullptr) {
    return cudaSuccess;
  }
  return Error(cudaErrorInvalidValue, "cudaMemPoolSetAttribute: attribute");
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool,
                                    cudaMemPoolAttr attribute, void* value) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckPool("cudaMemPoolGetAttribute", pool));
  const int device = switchyard::emulation::DeviceOf(pool);
  auto* const bytes = static_cast<unsigned long long*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      *bytes = Memory::Get().used(device);
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      *bytes = Memory::Get().most_used(device);
      return cudaSuccess;
    default:
      return Error(cudaErrorInvalidValue, "cudaMemPoolGetAttribute: attribute");
  }
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t) {
  return CheckPool("cudaMemPoolTrimTo", pool);
}
