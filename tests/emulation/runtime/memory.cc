// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory.h"

#include <algorithm>
#include <cstring>

#include "emulation/control.h"
#include "races/race_checks.h"

namespace switchyard::emulation {
namespace {

constexpr size_t kAlignment = 256;

}  // namespace

Memory& Memory::Get() {
  static Memory* const memory = new Memory;
  return *memory;
}

void* Memory::Allocate(MemoryKind kind, size_t bytes, int device) {
  const std::lock_guard lock(mutex_);
  const bool on_device = kind == MemoryKind::kDevice;
  if (on_device && bytes > settings().memory_bytes - used_[device]) {
    return nullptr;
  }
  char* const address = allocator(kind).Allocate(bytes, kAlignment);
  if (address == nullptr) return nullptr;
  NoteAllocated(address, bytes);
  if (settings().poison) std::memset(address, 0xff, bytes);
  allocations_[address] = {address, bytes, kind, device, false};
  if (on_device) {
    used_[device] += bytes;
    most_used_[device] = std::max(most_used_[device], used_[device]);
  }
  return address;
}

Allocation* Memory::FindMutable(const void* address) {
  auto next = allocations_.upper_bound(static_cast<const char*>(address));
  if (next == allocations_.begin()) return nullptr;
  Allocation& allocation = std::prev(next)->second;
  const size_t offset = static_cast<const char*>(address) - allocation.address;
  return offset < allocation.bytes ? &allocation : nullptr;
}

bool Memory::Free(MemoryKind kind, void* address) {
  const std::lock_guard lock(mutex_);
  const Allocation* const found = FindMutable(address);
  if (found == nullptr || found->address != address || found->kind != kind) {
    return false;
  }
  if (kind == MemoryKind::kDevice) used_[found->device] -= found->bytes;
  if (settings().poison) std::memset(address, 0xff, found->bytes);
  NoteFreed(address, found->bytes);
  allocator(kind).Free(found->address, found->bytes);
  allocations_.erase(static_cast<char*>(address));
  return true;
}

bool Memory::BeginFree(void* address) {
  const std::lock_guard lock(mutex_);
  Allocation* const found = FindMutable(address);
  if (found == nullptr || found->address != address ||
      found->kind != MemoryKind::kDevice || found->freeing) {
    return false;
  }
  found->freeing = true;
  return true;
}

std::optional<Allocation> Memory::Find(const void* address) const {
  const std::lock_guard lock(mutex_);
  const Allocation* const found =
      const_cast<Memory*>(this)->FindMutable(address);
  if (found == nullptr) return std::nullopt;
  return *found;
}

std::optional<Allocation> Memory::FindBefore(const void* address) const {
  const std::lock_guard lock(mutex_);
  auto next = allocations_.upper_bound(static_cast<const char*>(address));
  if (next == allocations_.begin()) return std::nullopt;
  return std::prev(next)->second;
}

std::vector<Allocation> Memory::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<Allocation> all;
  for (const auto& [address, allocation] : allocations_) {
    all.push_back(allocation);
  }
  return all;
}

size_t Memory::used(int device) const {
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(device);
  return found == used_.end() ? 0 : found->second;
}

size_t Memory::most_used(int device) const {
  const std::lock_guard lock(mutex_);
  const auto found = most_used_.find(device);
  return found == most_used_.end() ? 0 : found->second;
}

std::string CheckDeviceRange(const void* address, size_t bytes, int device) {
  const std::optional<Allocation> found = Memory::Get().Find(address);
  if (!found) return "is not memory of a device";
  if (found->kind != MemoryKind::kDevice) return "is pinned host memory";
  if (found->freeing) return "has been freed by cudaFreeAsync";
  if (found->device != device) {
    return "is memory of device " + std::to_string(found->device) +
           ", not of device " + std::to_string(device);
  }
  const size_t offset = static_cast<const char*>(address) - found->address;
  if (bytes > found->bytes - offset) {
    return "ends " + std::to_string(bytes - (found->bytes - offset)) +
           " bytes behind its allocation of " + std::to_string(found->bytes);
  }
  return "";
}

}  // namespace switchyard::emulation
