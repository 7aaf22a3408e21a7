// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/shared_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace switchyard::emulation {
namespace {

constexpr size_t kDynamicAlignment = 128;
constexpr size_t kMostStaticBytes = 48 << 10;

}  // namespace

SharedMemory::Piece SharedMemory::Allocate(size_t bytes, size_t alignment) {
  Piece piece;
  piece.bytes = bytes;
  if (posix_memalign(&piece.address, std::max(alignment, sizeof(void*)),
                     bytes) != 0) {
    std::abort();
  }
  return piece;
}

void SharedMemory::BeginLaunch(size_t dynamic_bytes, size_t limit) {
  ++launch_;
  limit_ = limit;
  if (dynamic_bytes > 0) dynamic_ = Allocate(dynamic_bytes, kDynamicAlignment);
}

void SharedMemory::EndLaunch() {
  for (const Piece& piece : statics_) std::free(piece.address);
  statics_.clear();
  static_bytes_ = 0;
  std::free(dynamic_.address);
  dynamic_ = {};
}

void SharedMemory::BeginBlock(bool poison) {
  if (!poison) return;
  for (const Piece& piece : statics_) {
    std::memset(piece.address, 0xff, piece.bytes);
  }
  if (dynamic_.bytes > 0) std::memset(dynamic_.address, 0xff, dynamic_.bytes);
}

void* SharedMemory::Static(SharedVariable& variable, size_t bytes,
                           size_t alignment, const char* name,
                           std::string& error) {
  if (variable.launch == launch_) return variable.address;
  static_bytes_ += bytes;
  if (static_bytes_ > kMostStaticBytes ||
      static_bytes_ + dynamic_.bytes > limit_) {
    error = std::string("shared memory '") + name + "' makes " +
            std::to_string(static_bytes_) + " bytes, static, and " +
            std::to_string(dynamic_.bytes) + ", dynamic; at most " +
            std::to_string(kMostStaticBytes) + " may be static and " +
            std::to_string(limit_) + " both together";
    return nullptr;
  }
  const Piece piece = Allocate(bytes, alignment);
  std::memset(piece.address, 0xff, bytes);
  statics_.push_back(piece);
  variable.address = piece.address;
  variable.launch = launch_;
  return piece.address;
}

}  // namespace switchyard::emulation
