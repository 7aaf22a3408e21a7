// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The innermost loop of matrix products: a tile of kRows rows and two vectors
// of columns whose sums stay in registers, and what happens to them at the end.
#if defined(SWITCHYARD_KERNELS_CPU_MICRO_KERNEL_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_MICRO_KERNEL_INL_H_
#undef SWITCHYARD_KERNELS_CPU_MICRO_KERNEL_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_MICRO_KERNEL_INL_H_
#endif

#include <cstdint>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/fixed_point-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

using TileTag = hn::ScalableTag<float>;
using TileVec = hn::Vec<TileTag>;

inline constexpr int kTileLanes = static_cast<int>(hn::MaxLanes(TileTag()));
inline constexpr int kTileColumns = 2 * kTileLanes;
// As many rows as registers hold, and a lesser number for what remains.
#if HWY_TARGET <= HWY_AVX3
inline constexpr int kTileRows = 12, kSmallTileRows = 8;
#else
inline constexpr int kTileRows = 6, kSmallTileRows = 4;
#endif

// Ends of a tile's row. `PrefetchRow` runs before the products, so that memory
// comes while they are made.
struct StoreFloat {
  HWY_INLINE void PrefetchRow(int row) const {
    hwy::Prefetch(to + row * stride);
    hwy::Prefetch(to + row * stride + kTileColumns - 1);
  }
  HWY_INLINE void Row(int row, TileVec left, TileVec right) {
    hn::StoreU(left, TileTag(), to + row * stride);
    hn::StoreU(right, TileTag(), to + row * stride + kTileLanes);
  }

  float* to;
  int64_t stride;
};

struct StoreBFloat16 {
  HWY_INLINE void PrefetchRow(int row) const {
    hwy::Prefetch(to + row * stride);
  }
  HWY_INLINE void Row(int row, TileVec left, TileVec right) {
    StoreFloats(left, TileTag(), to + row * stride, AllLanes());
    StoreFloats(right, TileTag(), to + row * stride + kTileLanes, AllLanes());
  }

  BFloat16* to;
  int64_t stride;
};

struct AddFixedPoint {
  HWY_INLINE void PrefetchRow(int row) const {
    constexpr int kLine = 64 / sizeof(int64_t);
    for (int i = 0; i < kTileColumns; i += kLine) {
      hwy::Prefetch(to + row * stride + i);
    }
    hwy::Prefetch(to + row * stride + kTileColumns - 1);
  }
  HWY_INLINE void Row(int row, TileVec left, TileVec right) {
    const TileTag d;
    HWY_ALIGN float leaf[kTileColumns];
    hn::Store(left, d, leaf);
    hn::Store(right, d, leaf + kTileLanes);
    refused += AddElements(leaf, kTileColumns, adder, to + row * stride);
  }

  int64_t* to;
  int64_t stride;
  const FixedPointAdder& adder;
  int64_t refused = 0;
};

// A panel of op(a) (depth x kRows) times one of op(b) (depth x kTileColumns),
// plus `partial` unless it is null.
template <int kRows, class End>
HWY_NOINLINE void MicroKernel(const float* HWY_RESTRICT a,
                              const float* HWY_RESTRICT b, int64_t depth,
                              const float* partial, int64_t partial_stride,
                              End& end) {
  const TileTag d;
  TileVec left[kRows], right[kRows];
  HWY_UNROLL(16) for (int row = 0; row < kRows; ++row) {
    left[row] = hn::Zero(d);
    right[row] = hn::Zero(d);
    end.PrefetchRow(row);
  }
  for (int64_t k = 0; k < depth; ++k) {
    const TileVec b_left = hn::Load(d, b);
    const TileVec b_right = hn::Load(d, b + kTileLanes);
    HWY_UNROLL(16) for (int row = 0; row < kRows; ++row) {
      const TileVec a_row = hn::Set(d, a[row]);
      left[row] = hn::MulAdd(a_row, b_left, left[row]);
      right[row] = hn::MulAdd(a_row, b_right, right[row]);
    }
    a += kRows;
    b += kTileColumns;
  }
  if (partial != nullptr) {
    HWY_UNROLL(16) for (int row = 0; row < kRows; ++row) {
      const float* from = partial + row * partial_stride;
      left[row] = hn::Add(hn::LoadU(d, from), left[row]);
      right[row] = hn::Add(hn::LoadU(d, from + kTileLanes), right[row]);
    }
  }
  HWY_UNROLL(16) for (int row = 0; row < kRows; ++row) {
    end.Row(row, left[row], right[row]);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
