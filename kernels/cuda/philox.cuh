// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Philox4x32 (base/philox.h) in kernels, and what operators make of its words.
#ifndef SWITCHYARD_KERNELS_CUDA_PHILOX_CUH_
#define SWITCHYARD_KERNELS_CUDA_PHILOX_CUH_

#include <cstdint>

#include "switchyard/kernels/cuda/portable.cuh"

namespace switchyard::kernels::cuda {

struct PhiloxWords {
  uint32_t word[4];
};

// Four random words for a 64-bit key and a 128-bit counter.
__device__ __forceinline__ PhiloxWords Philox(uint64_t key,
                                              const PhiloxWords& counter) {
  constexpr uint32_t kMultiply0 = 0xD2511F53, kMultiply1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  PhiloxWords x = counter;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(kMultiply0, x.word[0]);
    const uint32_t high1 = __umulhi(kMultiply1, x.word[2]);
    x = {{high1 ^ x.word[1] ^ key0, kMultiply1 * x.word[2],
          high0 ^ x.word[3] ^ key1, kMultiply0 * x.word[0]}};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return x;
}

// A row of random words: word i is number i % 4 of the counter whose first word
// is i / 4 and whose others are these.
struct PhiloxRow {
  uint64_t key;
  uint32_t counter[3];

  __device__ __forceinline__ PhiloxWords Group(int64_t index) const {
    return Philox(key, {{static_cast<uint32_t>(index), counter[0], counter[1],
                         counter[2]}});
  }
};

// Words `first` to first + kCount - 1 of a row: one, or whole counters.
template <int kCount>
__device__ __forceinline__ void RandomWords(const PhiloxRow& row, int64_t first,
                                            uint32_t (&words)[kCount]) {
  static_assert(kCount == 1 || kCount % 4 == 0);
  if constexpr (kCount == 1) {
    const PhiloxWords group = row.Group(first / 4);
    const uint32_t even = first & 2 ? group.word[2] : group.word[0];
    const uint32_t odd = first & 2 ? group.word[3] : group.word[1];
    words[0] = first & 1 ? odd : even;
  } else {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      const PhiloxWords group = row.Group((first + i) / 4);
#pragma unroll
      for (int j = 0; j < 4; ++j) words[i + j] = group.word[j];
    }
  }
}

// The row of a token's numbers for one purpose.
__device__ __forceinline__ PhiloxRow TokenRow(uint64_t key, int64_t token,
                                              uint32_t purpose) {
  const uint64_t number = static_cast<uint64_t>(token);
  return {key,
          {static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32),
           purpose}};
}

// (word >> 9 + 1/2) · 2^-23: uniform on multiples of 2^-24 strictly between 0
// and 1, each exact in fp32.
__device__ __forceinline__ float UnitInterval(uint32_t word) {
  return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PHILOX_CUH_
