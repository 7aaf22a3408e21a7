// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Packing of operands for the micro-kernel: a panel is `depth` times kWidth
// fp32 numbers, those that one step of the micro-kernel reads side by side. A
// panel that the matrix does not fill ends in zeros.
#if defined(SWITCHYARD_KERNELS_CPU_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_PACK_INL_H_
#undef SWITCHYARD_KERNELS_CPU_PACK_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_PACK_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "switchyard/base/dtype.h"
#include "switchyard/kernels/cpu/gemm.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

HWY_INLINE float Widened(float value) { return value; }
HWY_INLINE float Widened(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// `count` numbers as fp32: where they are, or widened into `buffer`.
HWY_INLINE const float* AsFloats(const float* from, int64_t, float*) {
  return from;
}
HWY_INLINE const float* AsFloats(const BFloat16* from, int64_t count,
                                 float* buffer) {
  const hn::ScalableTag<float> d;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    Store(LoadFloats(d, from + i, lanes), d, buffer + i, lanes);
  });
  return buffer;
}

// A few panels from rows: panel p takes columns [p * kWidth, (p + 1) * kWidth)
// of every row.
template <int kWidth, int kPanels, typename T>
HWY_INLINE void PackWholePanels(const T* from, int64_t stride, int64_t depth,
                                float* to) {
  HWY_ALIGN float buffer[kPanels * kWidth];
  for (int64_t k = 0; k < depth; ++k) {
    const float* row = AsFloats(from + k * stride, kPanels * kWidth, buffer);
    for (int p = 0; p < kPanels; ++p) {
      std::memcpy(to + (p * depth + k) * kWidth, row + p * kWidth,
                  kWidth * sizeof(float));
    }
  }
}

// All panels of `columns` columns; the last one may be filled up with zeros. A
// few at a time, so that a row's cache line is read once.
template <int kWidth, typename T>
void PackFromRows(const T* from, int64_t stride, int64_t depth, int64_t columns,
                  float* to) {
  constexpr int kPanels = kWidth <= 12 ? 48 / kWidth : 1;
  int64_t column = 0;
  for (; column + kPanels * kWidth <= columns; column += kPanels * kWidth) {
    PackWholePanels<kWidth, kPanels>(from + column, stride, depth,
                                     to + column * depth);
  }
  for (; column + kWidth <= columns; column += kWidth) {
    PackWholePanels<kWidth, 1>(from + column, stride, depth,
                               to + column * depth);
  }
  if (column == columns) return;
  for (int64_t k = 0; k < depth; ++k) {
    float* step = to + column * depth + k * kWidth;
    for (int i = 0; i < kWidth; ++i) {
      step[i] =
          column + i < columns ? Widened(from[k * stride + column + i]) : 0.0f;
    }
  }
}

// Of every step of a panel from columns, kCount numbers from `first` on: number
// r of step k is from[r * stride + k]. `rows` of them exist.
template <int kWidth, int kCount, typename T>
void PackSomeFromColumns(const T* from, int64_t stride, int64_t depth,
                         int64_t rows, int first, float* to) {
  static const T zeros[kGemmDepth] = {};
  const T* source[kCount];
  for (int r = 0; r < kCount; ++r) {
    source[r] = first + r < rows ? from + (first + r) * stride : zeros;
  }
  to += first;
  int64_t k = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 4> d;
  const hn::CappedTag<float, 2> d2;
  const hn::Repartition<double, decltype(d)> dd;
  const AllLanes all;
  for (; k + 4 <= depth; k += 4) {
    float* step = to + k * kWidth;
    int r = 0;
    for (; r + 4 <= kCount; r += 4) {
      const auto row0 = LoadFloats(d, source[r] + k, all);
      const auto row1 = LoadFloats(d, source[r + 1] + k, all);
      const auto row2 = LoadFloats(d, source[r + 2] + k, all);
      const auto row3 = LoadFloats(d, source[r + 3] + k, all);
      const auto low01 = hn::BitCast(dd, hn::InterleaveLower(d, row0, row1));
      const auto low23 = hn::BitCast(dd, hn::InterleaveLower(d, row2, row3));
      const auto high01 = hn::BitCast(dd, hn::InterleaveUpper(d, row0, row1));
      const auto high23 = hn::BitCast(dd, hn::InterleaveUpper(d, row2, row3));
      const auto put = [&](int64_t i, hn::Vec<decltype(dd)> v) HWY_ATTR {
        hn::StoreU(hn::BitCast(d, v), d, step + i * kWidth + r);
      };
      put(0, hn::InterleaveLower(dd, low01, low23));
      put(1, hn::InterleaveUpper(dd, low01, low23));
      put(2, hn::InterleaveLower(dd, high01, high23));
      put(3, hn::InterleaveUpper(dd, high01, high23));
    }
    for (; r + 2 <= kCount; r += 2) {
      const auto row0 = LoadFloats(d, source[r] + k, all);
      const auto row1 = LoadFloats(d, source[r + 1] + k, all);
      const auto low = hn::InterleaveLower(d, row0, row1);
      const auto high = hn::InterleaveUpper(d, row0, row1);
      hn::StoreU(hn::LowerHalf(d2, low), d2, step + r);
      hn::StoreU(hn::UpperHalf(d2, low), d2, step + kWidth + r);
      hn::StoreU(hn::LowerHalf(d2, high), d2, step + 2 * kWidth + r);
      hn::StoreU(hn::UpperHalf(d2, high), d2, step + 3 * kWidth + r);
    }
  }
#endif
  for (; k < depth; ++k) {
    for (int r = 0; r < kCount; ++r) {
      to[k * kWidth + r] = Widened(source[r][k]);
    }
  }
}

// A panel from columns. Not more rows at a time than fill a cache line of the
// panel: rows that lie a power of two apart share few places in the cache, and
// of 32 each would push another one out before its line is used up.
template <int kWidth, typename T>
void PackFromColumns(const T* from, int64_t stride, int64_t depth, int64_t rows,
                     float* to) {
  constexpr int kLine = 16;  // floats
  if constexpr (kWidth <= kLine) {
    PackSomeFromColumns<kWidth, kWidth>(from, stride, depth, rows, 0, to);
  } else {
    static_assert(kWidth % kLine == 0);
    for (int first = 0; first < kWidth; first += kLine) {
      PackSomeFromColumns<kWidth, kLine>(from, stride, depth, rows, first, to);
    }
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
