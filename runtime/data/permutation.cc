// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/permutation.h"

#include <utility>

#include "switchyard/base/check.h"
#include "switchyard/base/philox.h"

namespace switchyard {
namespace {

// Four make a Feistel network with random rounds hard to tell from a random
// permutation (Luby and Rackoff); small domains deserve some more.
constexpr uint32_t kRounds = 8;

int HalfBits(int64_t size) {
  int bits = 1;
  while (bits < 31 && (int64_t{1} << (2 * bits)) < size) ++bits;
  return bits;
}

}  // namespace

Permutation::Permutation(uint64_t key, int64_t size)
    : key_(key), size_(size), half_bits_(HalfBits(size)) {
  SWITCHYARD_CHECK(size >= 1 && size <= (int64_t{1} << 62)) << size;
}

uint64_t Permutation::Encrypt(uint64_t value) const {
  const uint32_t mask = (uint32_t{1} << half_bits_) - 1;
  uint32_t left = static_cast<uint32_t>(value >> half_bits_) & mask;
  uint32_t right = static_cast<uint32_t>(value) & mask;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const uint32_t mixed = Philox4x32(key_, {right, round, 0, 0})[0];
    left = std::exchange(right, (left ^ mixed) & mask);
  }
  return (uint64_t{left} << half_bits_) | right;
}

int64_t Permutation::operator()(int64_t index) const {
  SWITCHYARD_CHECK(index >= 0 && index < size_) << index << " " << size_;
  uint64_t value = static_cast<uint64_t>(index);
  do {
    value = Encrypt(value);
  } while (value >= static_cast<uint64_t>(size_));
  return static_cast<int64_t>(value);
}

}  // namespace switchyard
