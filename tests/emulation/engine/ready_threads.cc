// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/ready_threads.h"

#include <bit>
#include <utility>

namespace switchyard::emulation {
namespace {

constexpr int kTakesBetweenChanges = 1024;

// Moves bit i to i xor flip.
uint32_t Permute(uint32_t bits, int flip) {
  constexpr uint32_t kLow[] = {0x55555555u, 0x33333333u, 0x0f0f0f0fu,
                               0x00ff00ffu, 0x0000ffffu};
  for (int i = 0; i < 5; ++i) {
    if (!(flip >> i & 1)) continue;
    const int distance = 1 << i;
    bits = ((bits & kLow[i]) << distance) | ((bits >> distance) & kLow[i]);
  }
  return bits;
}

}  // namespace

uint64_t ReadyThreads::Random() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_;
}

void ReadyThreads::Reset(Order order) {
  order_ = order;
  until_change_ = kTakesBetweenChanges;
  warps_ = 0;
  lanes_.fill(0);
  const bool reverse = order == Order::kReverse;
  for (int i = 0; i < kMaxWarps; ++i) {
    warp_of_rank_[i] = reverse ? kMaxWarps - 1 - i : i;
    flip_[i] = reverse ? kWarpLanes - 1 : 0;
    if (order == Order::kSkew) flip_[i] = Random() % kWarpLanes;
  }
  if (order == Order::kSkew) {
    for (int i = kMaxWarps - 1; i > 0; --i) {
      std::swap(warp_of_rank_[i], warp_of_rank_[Random() % (i + 1)]);
    }
  }
  for (int i = 0; i < kMaxWarps; ++i) rank_of_warp_[warp_of_rank_[i]] = i;
}

void ReadyThreads::Add(int warp, uint32_t lanes) {
  lanes_[warp] |= flip_[warp] ? Permute(lanes, flip_[warp]) : lanes;
  warps_ |= 1u << rank_of_warp_[warp];
}

int ReadyThreads::ChooseBit(uint32_t bits) {
  if (order_ != Order::kRandom) return std::countr_zero(bits);
  const int start = static_cast<int>((Random() >> 32) % 32);
  return (std::countr_zero(std::rotr(bits, start)) + start) % 32;
}

void ReadyThreads::ChangePriorities() {
  until_change_ = kTakesBetweenChanges;
  const int a = Random() % kMaxWarps;
  const int b = Random() % kMaxWarps;
  const uint32_t bit_a = warps_ >> a & 1;
  const uint32_t bit_b = warps_ >> b & 1;
  warps_ &= ~(1u << a | 1u << b);
  warps_ |= bit_a << b | bit_b << a;
  std::swap(warp_of_rank_[a], warp_of_rank_[b]);
  rank_of_warp_[warp_of_rank_[a]] = a;
  rank_of_warp_[warp_of_rank_[b]] = b;
  const int warp = warp_of_rank_[b];
  const int flip = Random() % kWarpLanes;
  lanes_[warp] = Permute(lanes_[warp], flip_[warp] ^ flip);
  flip_[warp] = flip;
}

int ReadyThreads::Take() {
  if (warps_ == 0) return -1;
  if (order_ == Order::kSkew && --until_change_ == 0) ChangePriorities();
  const int rank = ChooseBit(warps_);
  const int warp = warp_of_rank_[rank];
  const int bit = ChooseBit(lanes_[warp]);
  lanes_[warp] &= ~(1u << bit);
  if (lanes_[warp] == 0) warps_ &= ~(1u << rank);
  return warp * kWarpLanes + (bit ^ flip_[warp]);
}

}  // namespace switchyard::emulation
