// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared memory of the block that runs. Each variable has memory of its exact
// size, so that tools for the host's memory see its bounds.
#ifndef SWITCHYARD_TESTS_EMULATION_ENGINE_SHARED_MEMORY_H_
#define SWITCHYARD_TESTS_EMULATION_ENGINE_SHARED_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "emulation/memory_operations.h"
#include "engine/address_space.h"

namespace switchyard::emulation {

class SharedMemory {
 public:
  SharedMemory() = default;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { EndLaunch(); }

  // `limit`: bytes that static and dynamic memory may have together.
  void BeginLaunch(size_t dynamic_bytes, size_t limit);
  void EndLaunch();
  void BeginBlock(bool poison);

  // Null, with an `error`, where there is no such memory.
  void* Static(SharedVariable& variable, size_t bytes, size_t alignment,
               const char* name, std::string& error);
  void* Dynamic() const { return dynamic_.address; }
  // The variable at or before this address, for messages.
  std::string Describe(const void* address) const;

 private:
  struct Piece {
    char* address = nullptr;
    size_t bytes = 0;
    const char* name = "";
  };
  Piece Allocate(size_t bytes, size_t alignment, const char* name);
  void Free(const Piece& piece);

  RegionAllocator allocator_{Region::kShared};
  uint64_t launch_ = 0;
  size_t limit_ = 0;
  size_t static_bytes_ = 0;
  Piece dynamic_;
  std::vector<Piece> statics_;
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_ENGINE_SHARED_MEMORY_H_
