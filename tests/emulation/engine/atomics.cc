// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Blocks and threads never run at the same time, so a plain read and write is
// atomic to device code.
#include "emulation/arithmetic.h"
#include "emulation/memory_operations.h"
#include "races/race_checks.h"

namespace switchyard::emulation {
namespace {

template <typename T, typename Function>
T Update(T* address, const void* pc, Function function) {
  NoteDeviceAccess(address, sizeof(T), AccessKind::kAtomic, pc);
  const T old = *address;
  *address = function(old);
  return old;
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::Update;

#define SWITCHYARD_EMULATION_ATOMIC(type)                                   \
  type atomicAdd(type* address, type value) {                               \
    return Update(address, __builtin_return_address(0), [value](type old) { \
      return static_cast<type>(static_cast<unsigned long long>(old) +       \
                               static_cast<unsigned long long>(value));     \
    });                                                                     \
  }                                                                         \
  type atomicMax(type* address, type value) {                               \
    return Update(address, __builtin_return_address(0),                     \
                  [value](type old) { return max(old, value); });           \
  }                                                                         \
  type atomicMin(type* address, type value) {                               \
    return Update(address, __builtin_return_address(0),                     \
                  [value](type old) { return min(old, value); });           \
  }                                                                         \
  type atomicExch(type* address, type value) {                              \
    return Update(address, __builtin_return_address(0),                     \
                  [value](type) { return value; });                         \
  }                                                                         \
  type atomicCAS(type* address, type expected, type value) {                \
    return Update(address, __builtin_return_address(0),                     \
                  [expected, value](type old) {                             \
                    return old == expected ? value : old;                   \
                  });                                                       \
  }                                                                         \
  type atomicAnd(type* address, type value) {                               \
    return Update(address, __builtin_return_address(0),                     \
                  [value](type old) { return old & value; });               \
  }                                                                         \
  type atomicOr(type* address, type value) {                                \
    return Update(address, __builtin_return_address(0),                     \
                  [value](type old) { return old | value; });               \
  }                                                                         \
  type atomicXor(type* address, type value) {                               \
    return Update(address, __builtin_return_address(0),                     \
                  [value](type old) { return old ^ value; });               \
  }
SWITCHYARD_EMULATION_ATOMIC(int)
SWITCHYARD_EMULATION_ATOMIC(unsigned)
SWITCHYARD_EMULATION_ATOMIC(unsigned long long)

int atomicSub(int* address, int value) {
  return Update(address, __builtin_return_address(0), [value](int old) {
    return static_cast<int>(static_cast<unsigned>(old) -
                            static_cast<unsigned>(value));
  });
}
unsigned atomicSub(unsigned* address, unsigned value) {
  return Update(address, __builtin_return_address(0),
                [value](unsigned old) { return old - value; });
}
