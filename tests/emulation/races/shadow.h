// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Notes on memory: which bytes belong to an allocation, which were ever
// written, and who read and wrote each word last.
#ifndef SWITCHYARD_TESTS_EMULATION_RACES_SHADOW_H_
#define SWITCHYARD_TESTS_EMULATION_RACES_SHADOW_H_

#include <cstddef>
#include <cstdint>

#include "races/clocks.h"

namespace switchyard::emulation {

enum class AccessKind { kRead, kWrite, kAtomic };

// An access as it is remembered.
struct Record {
  OperationNumber operation = 0;
  uint32_t block = 0;
  uint32_t thread : 10;   // of the block
  uint32_t barrier : 22;  // __syncthreads of the block so far
  uint32_t warp : 24;     // __syncwarp of the warp so far
  uint32_t bytes : 4;     // of the word: a mask
  uint32_t atomic : 1;

  Record() : thread(0), barrier(0), warp(0), bytes(0), atomic(0) {}
};

// What is remembered of one word of 4 bytes: one line of the cache. Two records
// of each kind, as two halves of a word may belong to two threads.
struct alignas(64) Cell {
  Record writes[2];
  Record reads[2];
};
static_assert(sizeof(Cell) == 64);

constexpr size_t kWordBytes = 4;

class Shadow {
 public:
  // Of the whole address space; pages that nobody touched take no memory.
  static Shadow& Get();

  // Offsets are those of the address space (engine/address_space.h).
  void Allocate(size_t offset, size_t bytes, bool initialised);
  void Free(size_t offset, size_t bytes);
  void SetInitialised(size_t offset, size_t bytes, bool initialised);
  // Gives `to` the state of `from`, as a copy does.
  void CopyInitialised(size_t to, size_t from, size_t bytes);
  // Forgets all accesses.
  void ForgetRecords();

  // Masks of bytes of the word at this offset.
  uint32_t Allocated(size_t offset) const {
    return states_[offset / kWordBytes] >> 4;
  }
  uint32_t Initialised(size_t offset) const {
    return states_[offset / kWordBytes] & 15;
  }
  void AddInitialised(size_t offset, uint32_t mask) {
    states_[offset / kWordBytes] |= mask;
  }
  Cell& cell(size_t offset) { return cells_[offset / kWordBytes]; }

 private:
  Shadow();
  void ChangeStates(size_t offset, size_t bytes, uint8_t set, uint8_t clear);

  Cell* cells_;
  uint8_t* states_;  // allocated in the upper four bits, initialised below
};

// The bytes of the word at `word` that [offset, offset + bytes) covers.
inline uint32_t MaskOf(size_t word, size_t offset, size_t bytes) {
  uint32_t mask = 15;
  if (offset > word) mask &= 15u << (offset - word);
  if (offset + bytes < word + kWordBytes) {
    mask &= 15u >> (word + kWordBytes - offset - bytes);
  }
  return mask;
}

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RACES_SHADOW_H_
