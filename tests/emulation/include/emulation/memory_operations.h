// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared memory, atomics, cached loads and asynchronous copies of device code.
#ifndef SWITCHYARD_TESTS_EMULATION_MEMORY_OPERATIONS_H_
#define SWITCHYARD_TESTS_EMULATION_MEMORY_OPERATIONS_H_

#include "emulation/device_thread.h"

namespace switchyard::emulation {

// One shared-memory variable of one kernel.
struct SharedVariable {
  void* address = nullptr;
  uint64_t launch = 0;  // the one that `address` belongs to
};
// Poisoned at the start of every block.
void* StaticShared(SharedVariable& variable, size_t bytes, size_t alignment,
                   const char* name);
void* DynamicShared();

// Instructions such as cp.async: the bytes arrive when this thread waits, so
// that a missing wait shows; until then the destination is poison. Bytes from
// `source_bytes` on become zero.
void AsyncCopy(void* destination, const void* source, size_t bytes,
               size_t source_bytes, CallSite site = CallSite::Here());
inline void AsyncCopy(void* destination, const void* source, size_t bytes,
                      CallSite site = CallSite::Here()) {
  AsyncCopy(destination, source, bytes, bytes, site);
}
void AsyncCommit();
// Waits until at most `pending` of this thread's groups are under way.
void AsyncWait(int pending);

}  // namespace switchyard::emulation

// A shared array, such as SWITCHYARD_SHARED(float, tile, [4][33]).
#define SWITCHYARD_SHARED(T, name, dims)                                \
  static ::switchyard::emulation::SharedVariable name##_variable;       \
  using name##_type = T dims;                                           \
  name##_type& name =                                                   \
      *static_cast<name##_type*>(::switchyard::emulation::StaticShared( \
          name##_variable, sizeof(name##_type), alignof(name##_type), #name))
// The dynamic shared memory, aligned to 128 bytes.
#define SWITCHYARD_DYNAMIC_SHARED(T) \
  static_cast<T*>(::switchyard::emulation::DynamicShared())

// Float atomics are left out: no result may depend on their order.
#define SWITCHYARD_EMULATION_ATOMIC(type)                   \
  type atomicAdd(type* address, type value);                \
  type atomicMax(type* address, type value);                \
  type atomicMin(type* address, type value);                \
  type atomicExch(type* address, type value);               \
  type atomicCAS(type* address, type expected, type value); \
  type atomicAnd(type* address, type value);                \
  type atomicOr(type* address, type value);                 \
  type atomicXor(type* address, type value);
SWITCHYARD_EMULATION_ATOMIC(int)
SWITCHYARD_EMULATION_ATOMIC(unsigned)
SWITCHYARD_EMULATION_ATOMIC(unsigned long long)
#undef SWITCHYARD_EMULATION_ATOMIC
int atomicSub(int* address, int value);
unsigned atomicSub(unsigned* address, unsigned value);

template <typename T>
T __ldg(const T* address) {
  return *address;
}
template <typename T>
T __ldcs(const T* address) {
  return *address;
}
template <typename T>
T __ldcg(const T* address) {
  return *address;
}
template <typename T>
void __stcs(T* address, T value) {
  *address = value;
}
template <typename T>
void __stcg(T* address, T value) {
  *address = value;
}

#endif  // SWITCHYARD_TESTS_EMULATION_MEMORY_OPERATIONS_H_
