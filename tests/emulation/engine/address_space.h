// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One range of addresses for all memory that CUDA gives out, so that an address
// alone tells which kind it is, and where notes on it are kept.
#ifndef SWITCHYARD_TESTS_EMULATION_ENGINE_ADDRESS_SPACE_H_
#define SWITCHYARD_TESTS_EMULATION_ENGINE_ADDRESS_SPACE_H_

#include <cstddef>
#include <cstdint>
#include <map>

namespace switchyard::emulation {

enum class Region { kDevice, kPinned, kShared };

constexpr size_t kDeviceRegionBytes = size_t{32} << 30;
constexpr size_t kPinnedRegionBytes = size_t{16} << 30;
constexpr size_t kSharedRegionBytes = size_t{1} << 20;
constexpr size_t kAddressSpaceBytes =
    kDeviceRegionBytes + kPinnedRegionBytes + kSharedRegionBytes;

// Bytes behind each allocation that belong to none.
constexpr size_t kGapBytes = 256;

// Null until something was allocated.
extern char* g_address_space;

// Where the address lies; kAddressSpaceBytes or more: outside.
inline size_t OffsetOf(const void* address) {
  return static_cast<size_t>(static_cast<const char*>(address) -
                             g_address_space);
}
inline bool InAddressSpace(const void* address) {
  return g_address_space != nullptr && OffsetOf(address) < kAddressSpaceBytes;
}
inline Region RegionOf(size_t offset) {
  if (offset < kDeviceRegionBytes) return Region::kDevice;
  return offset < kDeviceRegionBytes + kPinnedRegionBytes ? Region::kPinned
                                                          : Region::kShared;
}

// Gives out parts of a region; the first that is free and long enough.
class RegionAllocator {
 public:
  explicit RegionAllocator(Region region);
  // Null where there is no room.
  char* Allocate(size_t bytes, size_t alignment);
  void Free(char* address, size_t bytes);

 private:
  std::map<char*, size_t> free_;  // lengths, by address
  std::map<char*, size_t> taken_;
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_ENGINE_ADDRESS_SPACE_H_
