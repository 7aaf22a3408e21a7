// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/address_space.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace switchyard::emulation {
namespace {

char* Map() {
  void* const address =
      mmap(nullptr, kAddressSpaceBytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    std::perror("emulation: addresses of the device's memory");
    std::abort();
  }
  return static_cast<char*>(address);
}

size_t LengthOf(Region region) {
  switch (region) {
    case Region::kDevice:
      return kDeviceRegionBytes;
    case Region::kPinned:
      return kPinnedRegionBytes;
    default:
      return kSharedRegionBytes;
  }
}

size_t StartOf(Region region) {
  switch (region) {
    case Region::kDevice:
      return 0;
    case Region::kPinned:
      return kDeviceRegionBytes;
    default:
      return kDeviceRegionBytes + kPinnedRegionBytes;
  }
}

size_t RoundUp(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

// Known to AddressSanitizer: what may be touched, and what may not.
void Open([[maybe_unused]] char* address, [[maybe_unused]] size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(address, bytes);
#endif
}
void Close([[maybe_unused]] char* address, [[maybe_unused]] size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(address, bytes);
#endif
}

}  // namespace

char* g_address_space = nullptr;

RegionAllocator::RegionAllocator(Region region) {
  static char* const base = Map();
  g_address_space = base;
  char* const start = base + StartOf(region);
  // So that what lies before the first allocation belongs to none.
  Close(start, kGapBytes);
  free_[start + kGapBytes] = LengthOf(region) - kGapBytes;
}

char* RegionAllocator::Allocate(size_t bytes, size_t alignment) {
  if (bytes > kAddressSpaceBytes) return nullptr;
  const size_t unit = std::max(alignment, kGapBytes);
  const size_t length = RoundUp(bytes + kGapBytes, unit);
  for (const auto& [start, room] : free_) {
    // Every block begins and ends at a multiple of the gap.
    const size_t offset = start - g_address_space;
    const size_t skipped = RoundUp(offset, unit) - offset;
    if (room < skipped + length) continue;
    char* const address = start + skipped;
    char* const block = start;
    const size_t left = room - skipped - length;
    free_.erase(block);
    if (skipped > 0) free_[block] = skipped;
    if (left > 0) free_[address + length] = left;
    taken_[address] = length;
    Open(address, bytes);
    Close(address + bytes, length - bytes);
    return address;
  }
  return nullptr;
}

void RegionAllocator::Free(char* address, size_t bytes) {
  const auto taken = taken_.find(address);
  size_t length = taken->second;
  taken_.erase(taken);
  Close(address, bytes);
  auto next = free_.lower_bound(address);
  if (next != free_.end() && address + length == next->first) {
    length += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == address) {
      before->second += length;
      return;
    }
  }
  free_[address] = length;
}

}  // namespace switchyard::emulation
