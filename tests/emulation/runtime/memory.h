// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Every allocation of the device and of pinned host memory. Device memory is
// ordinary memory of the process.
#ifndef SWITCHYARD_TESTS_EMULATION_RUNTIME_MEMORY_H_
#define SWITCHYARD_TESTS_EMULATION_RUNTIME_MEMORY_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/address_space.h"

namespace switchyard::emulation {

enum class MemoryKind { kDevice, kPinned };

struct Allocation {
  char* address = nullptr;
  size_t bytes = 0;
  MemoryKind kind = MemoryKind::kDevice;
  int device = 0;
  bool freeing = false;  // a stream will free it
};

class Memory {
 public:
  static Memory& Get();

  // Null where the device is full.
  void* Allocate(MemoryKind kind, size_t bytes, int device);
  // False: nothing of this kind was allocated at this address.
  bool Free(MemoryKind kind, void* address);
  // From now on no call may name it; Free() follows when the stream gets there.
  bool BeginFree(void* address);

  // The allocation that the address lies in.
  std::optional<Allocation> Find(const void* address) const;
  // The one that begins at or before it.
  std::optional<Allocation> FindBefore(const void* address) const;
  std::vector<Allocation> All() const;
  size_t used(int device) const;
  size_t most_used(int device) const;

 private:
  Memory() = default;
  Allocation* FindMutable(const void* address);

  RegionAllocator& allocator(MemoryKind kind) {
    return kind == MemoryKind::kDevice ? device_ : pinned_;
  }

  mutable std::mutex mutex_;
  RegionAllocator device_{Region::kDevice};
  RegionAllocator pinned_{Region::kPinned};
  std::map<const char*, Allocation> allocations_;
  std::map<int, size_t> used_;
  std::map<int, size_t> most_used_;
};

// Empty if all of [address, address + bytes) is memory of that device, else
// what is wrong with it.
std::string CheckDeviceRange(const void* address, size_t bytes, int device);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RUNTIME_MEMORY_H_
