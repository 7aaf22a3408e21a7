// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What code compiled with -fsanitize=thread calls. The program is not linked
// with ThreadSanitizer: these stand in its place, and cost a test of a flag
// while nothing is checked.
#include <cstddef>
#include <cstdint>

#include "engine/engine.h"
#include "races/device_checks.h"
#include "races/race_checks.h"

namespace switchyard::emulation {
namespace {

__attribute__((noinline)) void Note(const void* address, size_t bytes,
                                    AccessKind kind, const void* pc) {
  if (Engine::Get().OnDeviceStack(__builtin_frame_address(0))) {
    NoteDeviceAccess(address, bytes, kind, pc);
  } else {
    NoteHostAccess(address, bytes, kind, pc);
  }
}

__attribute__((noinline)) void NoteAligned(const void* address, size_t bytes,
                                           AccessKind kind, const void* pc) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0 &&
      Engine::Get().OnDeviceStack(__builtin_frame_address(0))) {
    FailMisaligned(address, bytes, kind, pc);
  }
  Note(address, bytes, kind, pc);
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::AccessKind;
using switchyard::emulation::Note;
using switchyard::emulation::NoteAligned;
using switchyard::emulation::RaceChecks;

// NOLINTBEGIN: the names and the forms are ThreadSanitizer's
#define NOTE(function, bytes, kind)                                          \
  if (RaceChecks()) {                                                        \
    function(address, bytes, AccessKind::kind, __builtin_return_address(0)); \
  }
#define ACCESS(bytes)                                                          \
  void __tsan_read##bytes(void* address) { NOTE(NoteAligned, bytes, kRead) }   \
  void __tsan_write##bytes(void* address) { NOTE(NoteAligned, bytes, kWrite) } \
  void __tsan_unaligned_read##bytes(void* address) {                           \
    NOTE(Note, bytes, kRead)                                                   \
  }                                                                            \
  void __tsan_unaligned_write##bytes(void* address) {                          \
    NOTE(Note, bytes, kWrite)                                                  \
  }

// Host code beside kernels uses the language's atomics, for reference counts
// and the like; they are executed as they are.
#define ATOMIC(bits, type)                                                    \
  type __tsan_atomic##bits##_load(const volatile type* address, int) {        \
    return __atomic_load_n(address, __ATOMIC_SEQ_CST);                        \
  }                                                                           \
  void __tsan_atomic##bits##_store(volatile type* address, type value, int) { \
    __atomic_store_n(address, value, __ATOMIC_SEQ_CST);                       \
  }                                                                           \
  type __tsan_atomic##bits##_exchange(volatile type* address, type value,     \
                                      int) {                                  \
    return __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST);             \
  }                                                                           \
  FETCH(bits, type, add)                                                      \
  FETCH(bits, type, sub)                                                      \
  FETCH(bits, type, and)                                                      \
  FETCH(bits, type, or)                                                       \
  FETCH(bits, type, xor)                                                      \
  EXCHANGE(bits, type, strong)                                                \
  EXCHANGE(bits, type, weak)
#define FETCH(bits, type, name)                                               \
  type __tsan_atomic##bits##_fetch_##name(volatile type* address, type value, \
                                          int) {                              \
    return __atomic_fetch_##name(address, value, __ATOMIC_SEQ_CST);           \
  }
#define EXCHANGE(bits, type, name)                                          \
  int __tsan_atomic##bits##_compare_exchange_##name(                        \
      volatile type* address, type* expected, type value, int, int) {       \
    return __atomic_compare_exchange_n(address, expected, value, false,     \
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  }

extern "C" {
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

void __tsan_read_range(void* address, size_t bytes) { NOTE(Note, bytes, kRead) }
void __tsan_write_range(void* address, size_t bytes) {
  NOTE(Note, bytes, kWrite)
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_atomic_thread_fence(int) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
void __tsan_atomic_signal_fence(int) {}
}
// NOLINTEND
