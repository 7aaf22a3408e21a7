// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/checksum.h"

#include <cstdint>

namespace switchyard::kernels::cpu {
namespace {

// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

template <typename Bits>
uint64_t Sum(const ConstTensorView& x) {
  const Bits* bits = static_cast<const Bits*>(x.raw());
  uint64_t sum = 0;
  for (int64_t i = 0; i < x.element_count(); ++i) {
    const uint64_t place = static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15u;
    sum += Mix(Mix(place + 1) ^ bits[i]);
  }
  return sum;
}

uint64_t SumOf(const ConstTensorView& x) {
  switch (SizeOf(x.dtype())) {
    case 2:
      return Sum<uint16_t>(x);
    case 4:
      return Sum<uint32_t>(x);
    default:
      return Sum<uint64_t>(x);
  }
}

}  // namespace

void Checksum(const ConstTensorView& x, const TensorView& result) {
  *result.data<int64_t>() = static_cast<int64_t>(SumOf(x));
}

}  // namespace switchyard::kernels::cpu
