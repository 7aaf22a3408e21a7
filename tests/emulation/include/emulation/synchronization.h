// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Barriers, fences, shuffles, votes and reductions of device code.
#ifndef SWITCHYARD_TESTS_EMULATION_SYNCHRONIZATION_H_
#define SWITCHYARD_TESTS_EMULATION_SYNCHRONIZATION_H_

#include <cstring>
#include <type_traits>

#include "emulation/device_thread.h"

namespace switchyard::emulation {

template <typename T>
uint64_t ToBits(T value) {
  static_assert(
      (sizeof(T) == 4 || sizeof(T) == 8) && std::is_trivially_copyable_v<T>,
      "shuffles move values of 4 or 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <typename T>
T FromBits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace switchyard::emulation

inline void __syncthreads(switchyard::emulation::CallSite site =
                              switchyard::emulation::CallSite::Here()) {
  switchyard::emulation::WaitAtBarrier(
      switchyard::emulation::BarrierResult::kCount, false, site);
}

#define SWITCHYARD_EMULATION_BARRIER(name, result)                           \
  inline int name(int predicate,                                             \
                  switchyard::emulation::CallSite site =                     \
                      switchyard::emulation::CallSite::Here()) {             \
    return switchyard::emulation::WaitAtBarrier(                             \
        switchyard::emulation::BarrierResult::result, predicate != 0, site); \
  }
SWITCHYARD_EMULATION_BARRIER(__syncthreads_count, kCount)
SWITCHYARD_EMULATION_BARRIER(__syncthreads_and, kAnd)
SWITCHYARD_EMULATION_BARRIER(__syncthreads_or, kOr)
#undef SWITCHYARD_EMULATION_BARRIER

// Memory is sequentially consistent here; a fence has nothing to do.
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

inline void __syncwarp(unsigned mask = 0xffffffffu,
                       switchyard::emulation::CallSite site =
                           switchyard::emulation::CallSite::Here()) {
  switchyard::emulation::CallWarp(
      {switchyard::emulation::WarpOperation::kSyncwarp, mask}, site);
}

#define SWITCHYARD_EMULATION_SHUFFLE(name, operation, argument_type)           \
  template <typename T>                                                        \
  T name(unsigned mask, T value, argument_type argument, int width = 32,       \
         switchyard::emulation::CallSite site =                                \
             switchyard::emulation::CallSite::Here()) {                        \
    return switchyard::emulation::FromBits<T>(switchyard::emulation::CallWarp( \
        {switchyard::emulation::WarpOperation::operation, mask,                \
         switchyard::emulation::ToBits(value), static_cast<int>(argument),     \
         width},                                                               \
        site));                                                                \
  }
SWITCHYARD_EMULATION_SHUFFLE(__shfl_sync, kShuffle, int)
SWITCHYARD_EMULATION_SHUFFLE(__shfl_up_sync, kShuffleUp, unsigned)
SWITCHYARD_EMULATION_SHUFFLE(__shfl_down_sync, kShuffleDown, unsigned)
SWITCHYARD_EMULATION_SHUFFLE(__shfl_xor_sync, kShuffleXor, int)
#undef SWITCHYARD_EMULATION_SHUFFLE

#define SWITCHYARD_EMULATION_VOTE(name, operation, result)          \
  inline result name(unsigned mask, int predicate,                  \
                     switchyard::emulation::CallSite site =         \
                         switchyard::emulation::CallSite::Here()) { \
    return static_cast<result>(switchyard::emulation::CallWarp(     \
        {switchyard::emulation::WarpOperation::operation, mask,     \
         predicate != 0},                                           \
        site));                                                     \
  }
SWITCHYARD_EMULATION_VOTE(__ballot_sync, kBallot, unsigned)
SWITCHYARD_EMULATION_VOTE(__any_sync, kAny, int)
SWITCHYARD_EMULATION_VOTE(__all_sync, kAll, int)
#undef SWITCHYARD_EMULATION_VOTE

template <typename T>
unsigned __match_any_sync(unsigned mask, T value,
                          switchyard::emulation::CallSite site =
                              switchyard::emulation::CallSite::Here()) {
  return static_cast<unsigned>(switchyard::emulation::CallWarp(
      {switchyard::emulation::WarpOperation::kMatchAny, mask,
       switchyard::emulation::ToBits(value)},
      site));
}

#define SWITCHYARD_EMULATION_REDUCE(name, operation, type)        \
  inline type name(unsigned mask, type value,                     \
                   switchyard::emulation::CallSite site =         \
                       switchyard::emulation::CallSite::Here()) { \
    return static_cast<type>(switchyard::emulation::CallWarp(     \
        {switchyard::emulation::WarpOperation::operation, mask,   \
         static_cast<unsigned>(value)},                           \
        site));                                                   \
  }
SWITCHYARD_EMULATION_REDUCE(__reduce_add_sync, kReduceAdd, unsigned)
SWITCHYARD_EMULATION_REDUCE(__reduce_add_sync, kReduceAdd, int)
SWITCHYARD_EMULATION_REDUCE(__reduce_min_sync, kReduceMinUnsigned, unsigned)
SWITCHYARD_EMULATION_REDUCE(__reduce_min_sync, kReduceMin, int)
SWITCHYARD_EMULATION_REDUCE(__reduce_max_sync, kReduceMaxUnsigned, unsigned)
SWITCHYARD_EMULATION_REDUCE(__reduce_max_sync, kReduceMax, int)
SWITCHYARD_EMULATION_REDUCE(__reduce_and_sync, kReduceAnd, unsigned)
SWITCHYARD_EMULATION_REDUCE(__reduce_or_sync, kReduceOr, unsigned)
SWITCHYARD_EMULATION_REDUCE(__reduce_xor_sync, kReduceXor, unsigned)
#undef SWITCHYARD_EMULATION_REDUCE

#endif  // SWITCHYARD_TESTS_EMULATION_SYNCHRONIZATION_H_
