// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A stack of device memory for activations. Allocation moves a pointer; memory
// returns when a scope ends. When it is full it takes another block from the
// device, at least as large as all it has, and never gives one back, so a step
// that needs no more than an earlier one allocates nothing.
//
//   ArenaScope scope(arena);
//   TensorView hidden = arena.Allocate(DType::kFloat32, {rows, width});
#ifndef SWITCHYARD_BASE_ARENA_H_
#define SWITCHYARD_BASE_ARENA_H_

#include <cstddef>
#include <vector>

#include "switchyard/base/storage.h"

namespace switchyard {

class Arena {
 public:
  // `first_bytes` are taken from the device on first use.
  explicit Arena(Device& device, size_t first_bytes = size_t{1} << 20)
      : device_(device), first_bytes_(first_bytes) {}

  Device& device() const { return device_; }

  // Undefined contents, at a multiple of 64 bytes; valid until the scope in
  // which it was made ends.
  TensorView Allocate(DType dtype, const Shape& shape);

  // Joins the blocks into one, so that no block's end is wasted. Only when
  // nothing is allocated and no stream has work left that refers to it.
  void Compact();

  size_t used_bytes() const { return used_bytes_; }
  size_t peak_bytes() const { return peak_bytes_; }
  // Bytes taken from the device.
  size_t reserved_bytes() const { return reserved_bytes_; }
  // How often memory was taken from the device, also to join blocks.
  int growth_count() const { return growth_count_; }

 private:
  friend class ArenaScope;
  struct Mark {
    size_t block = 0;
    size_t offset = 0;
    size_t used_bytes = 0;
  };

  void Release(const Mark& mark);
  void Grow(size_t bytes);

  Device& device_;
  size_t first_bytes_;
  std::vector<Storage> blocks_;
  size_t block_ = 0;   // the block that is being filled
  size_t offset_ = 0;  // bytes taken from it
  size_t used_bytes_ = 0;
  size_t peak_bytes_ = 0;
  size_t reserved_bytes_ = 0;
  int growth_count_ = 0;
};

// Returns everything allocated since it was made. Scopes nest.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena)
      : arena_(arena), mark_{arena.block_, arena.offset_, arena.used_bytes_} {}
  ~ArenaScope() { arena_.Release(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  const Arena::Mark mark_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_ARENA_H_
