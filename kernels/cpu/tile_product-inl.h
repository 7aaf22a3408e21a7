// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Small matrix products on fp32 tiles in cache: blocks of six rows times one or
// two vectors of columns stay in registers while the inner dimension runs. An
// element is one chain of fused additions in ascending order of the inner
// index, whatever the block it lies in.
//
// Per-target: include it after hwy/highway.h.
#if defined(SWITCHYARD_KERNELS_CPU_TILE_PRODUCT_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_TILE_PRODUCT_INL_H_
#undef SWITCHYARD_KERNELS_CPU_TILE_PRODUCT_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_TILE_PRODUCT_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int64_t kBlockRows = 6;

// How a product meets what its result held before.
enum class Into { kNothing, kSum, kScaledSum };

// One block: c [6, kVectors · lanes] = old + a [6, depth] · b [depth, ...].
// a's element (r, k) is a[r · a_row + k · a_depth]; factors [6] scale the old.
// b and c lie at multiples of a vector.
template <int kVectors, Into kInto>
HWY_INLINE void BlockProduct(int64_t depth, const float* HWY_RESTRICT a,
                             int64_t a_row, int64_t a_depth,
                             const float* HWY_RESTRICT b, int64_t b_stride,
                             const float* HWY_RESTRICT factors,
                             float* HWY_RESTRICT c, int64_t c_stride) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[kBlockRows][kVectors];
  HWY_UNROLL(6)
  for (int64_t r = 0; r < kBlockRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      if constexpr (kInto == Into::kNothing) {
        sum[r][v] = hn::Zero(d);
      } else {
        sum[r][v] = hn::Load(d, c + r * c_stride + v * lanes);
        if constexpr (kInto == Into::kScaledSum) {
          sum[r][v] = hn::Mul(sum[r][v], hn::Set(d, factors[r]));
        }
      }
    }
  }
  HWY_UNROLL(4)
  for (int64_t k = 0; k < depth; ++k) {
    V column[kVectors];
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      column[v] = hn::Load(d, b + v * lanes);
    }
    HWY_UNROLL(6)
    for (int64_t r = 0; r < kBlockRows; ++r) {
      const V broadcast = hn::Set(d, a[r * a_row]);
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::MulAdd(broadcast, column[v], sum[r][v]);
      }
    }
    a += a_depth;
    b += b_stride;
  }
  HWY_UNROLL(6)
  for (int64_t r = 0; r < kBlockRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      hn::Store(sum[r][v], d, c + r * c_stride + v * lanes);
    }
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
