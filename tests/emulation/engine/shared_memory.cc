// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/shared_memory.h"

#include <cstring>
#include <utility>

#include "races/race_checks.h"

namespace switchyard::emulation {
namespace {

constexpr size_t kDynamicAlignment = 128;
constexpr size_t kMostStaticBytes = 48 << 10;

}  // namespace

SharedMemory::Piece SharedMemory::Allocate(size_t bytes, size_t alignment,
                                           const char* name) {
  // Launches have less than the region.
  const Piece piece = {allocator_.Allocate(bytes, alignment), bytes, name};
  NoteAllocated(piece.address, bytes);
  return piece;
}

void SharedMemory::Free(const Piece& piece) {
  if (piece.address == nullptr) return;
  NoteFreed(piece.address, piece.bytes);
  allocator_.Free(piece.address, piece.bytes);
}

void SharedMemory::BeginLaunch(size_t dynamic_bytes, size_t limit) {
  ++launch_;
  limit_ = limit;
  if (dynamic_bytes == 0) return;
  dynamic_ = Allocate(dynamic_bytes, kDynamicAlignment, "dynamic");
}

void SharedMemory::EndLaunch() {
  for (const Piece& piece : statics_) Free(piece);
  statics_.clear();
  static_bytes_ = 0;
  Free(std::exchange(dynamic_, {}));
}

void SharedMemory::BeginBlock(bool poison) {
  const auto fresh = [poison](const Piece& piece) {
    if (poison) std::memset(piece.address, 0xff, piece.bytes);
    NoteUninitialised(piece.address, piece.bytes);
  };
  for (const Piece& piece : statics_) fresh(piece);
  if (dynamic_.bytes > 0) fresh(dynamic_);
}

std::string SharedMemory::Describe(const void* address) const {
  const auto distance = [address](const Piece& piece) {
    return static_cast<const char*>(address) - piece.address;
  };
  const Piece* nearest = dynamic_.bytes > 0 ? &dynamic_ : nullptr;
  for (const Piece& piece : statics_) {
    if (distance(piece) < 0) continue;
    if (nearest == nullptr || distance(*nearest) < 0 ||
        distance(piece) < distance(*nearest)) {
      nearest = &piece;
    }
  }
  if (nearest == nullptr) return "no shared memory";
  return "byte " + std::to_string(distance(*nearest)) + " of " +
         std::to_string(nearest->bytes) + " of shared memory '" +
         nearest->name + "'";
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
  const Piece piece = Allocate(bytes, alignment, name);
  std::memset(piece.address, 0xff, bytes);
  statics_.push_back(piece);
  variable.address = piece.address;
  variable.launch = launch_;
  return piece.address;
}

}  // namespace switchyard::emulation
