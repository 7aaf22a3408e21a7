// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The threads of a block that could run, and which of them does next. A set of
// bits for each warp, in order of priority, makes every step constant time.
#ifndef SWITCHYARD_TESTS_EMULATION_ENGINE_READY_THREADS_H_
#define SWITCHYARD_TESTS_EMULATION_ENGINE_READY_THREADS_H_

#include <array>
#include <cstdint>

#include "emulation/control.h"

namespace switchyard::emulation {

constexpr int kWarpLanes = 32;
constexpr int kMaxWarps = 32;

class ReadyThreads {
 public:
  // No thread is ready; priorities are drawn anew.
  void Reset(Order order);
  void Seed(uint64_t seed) { random_ = seed * 0x9E3779B97F4A7C15u | 1; }
  void Add(int warp, uint32_t lanes);
  // Takes the next one out; -1 if none is ready.
  int Take();
  uint64_t Random();

 private:
  int ChooseBit(uint32_t bits);
  void ChangePriorities();

  Order order_ = Order::kForward;
  uint64_t random_ = 1;
  int until_change_ = 0;
  uint32_t warps_ = 0;                          // by rank
  std::array<uint32_t, kMaxWarps> lanes_ = {};  // by warp; lanes by rank
  std::array<int, kMaxWarps> warp_of_rank_ = {};
  std::array<int, kMaxWarps> rank_of_warp_ = {};
  // A lane's rank is its index xor this.
  std::array<int, kMaxWarps> flip_ = {};
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_ENGINE_READY_THREADS_H_
