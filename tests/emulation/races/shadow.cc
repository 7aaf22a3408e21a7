// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "races/shadow.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "engine/address_space.h"

namespace switchyard::emulation {
namespace {

constexpr size_t kWords = kAddressSpaceBytes / kWordBytes;
constexpr size_t kPageBytes = 4096;
constexpr size_t kSmallBytes = 16 * kPageBytes;

void* Map(size_t bytes) {
  void* const address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    std::perror("emulation: notes on the device's memory");
    std::abort();
  }
  return address;
}

// Zeroes; whole pages go back to the system.
void Zero(void* address, size_t bytes) {
  if (bytes < kSmallBytes) {
    std::memset(address, 0, bytes);
    return;
  }
  auto* const start = static_cast<char*>(address);
  char* const end = start + bytes;
  char* const first =
      start + (kPageBytes - reinterpret_cast<uintptr_t>(start) % kPageBytes) %
                  kPageBytes;
  char* const last = end - reinterpret_cast<uintptr_t>(end) % kPageBytes;
  std::memset(start, 0, first - start);
  std::memset(last, 0, end - last);
  madvise(first, last - first, MADV_DONTNEED);
}

}  // namespace

Shadow& Shadow::Get() {
  static Shadow* const shadow = new Shadow;
  return *shadow;
}

Shadow::Shadow()
    : cells_(static_cast<Cell*>(Map(kWords * sizeof(Cell)))),
      states_(static_cast<uint8_t*>(Map(kWords))) {}

void Shadow::ChangeStates(size_t offset, size_t bytes, uint8_t set,
                          uint8_t clear) {
  const size_t end = offset + bytes;
  for (size_t word = offset / kWordBytes * kWordBytes; word < end;
       word += kWordBytes) {
    const auto spread =
        static_cast<uint8_t>(MaskOf(word, offset, bytes) * 0x11);
    uint8_t& state = states_[word / kWordBytes];
    state = static_cast<uint8_t>((state & ~(spread & clear)) | (spread & set));
  }
}

void Shadow::Allocate(size_t offset, size_t bytes, bool initialised) {
  ChangeStates(offset, bytes, initialised ? 0xff : 0xf0, 0xff);
}

void Shadow::Free(size_t offset, size_t bytes) {
  ChangeStates(offset, bytes, 0, 0xff);
  const size_t words = (bytes + kWordBytes - 1) / kWordBytes;
  Zero(&cell(offset), words * sizeof(Cell));
}

void Shadow::SetInitialised(size_t offset, size_t bytes, bool initialised) {
  ChangeStates(offset, bytes, initialised ? 0x0f : 0, 0x0f);
}

void Shadow::CopyInitialised(size_t to, size_t from, size_t bytes) {
  size_t i = 0;
  if (to % kWordBytes == 0 && from % kWordBytes == 0) {
    for (; i + kWordBytes <= bytes; i += kWordBytes) {
      uint8_t& state = states_[(to + i) / kWordBytes];
      state = static_cast<uint8_t>((state & 0xf0) | Initialised(from + i));
    }
  }
  for (; i < bytes; ++i) {
    const bool bit = Initialised(from + i) >> ((from + i) % kWordBytes) & 1;
    SetInitialised(to + i, 1, bit);
  }
}

void Shadow::ForgetRecords() { Zero(cells_, kWords * sizeof(Cell)); }

}  // namespace switchyard::emulation
