// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What attention's forward and backward passes do with tiles: copies of rows as
// fp32, and products that leave out what the causal mask leaves out.
//
// Per-target: include it after hwy/highway.h.
#if defined(SWITCHYARD_KERNELS_CPU_ATTENTION_TILES_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_ATTENTION_TILES_INL_H_
#undef SWITCHYARD_KERNELS_CPU_ATTENTION_TILES_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_ATTENTION_TILES_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "switchyard/kernels/cpu/attention_grid.h"
#include "switchyard/kernels/cpu/tile_product-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

// Rows of one head: row r begins at data + r · stride.
template <typename T>
struct HeadRows {
  T* data;
  int64_t stride;
};

// The rows of `head` in `view` from row `first` on.
template <typename T>
HeadRows<const T> RowsOfHead(const ConstTensorView& view, int64_t first,
                             int64_t head) {
  return {view.data<T>() + first * view.row_stride() + head * view.dim(2),
          view.row_stride()};
}
template <typename T>
HeadRows<T> RowsOfHead(const TensorView& view, int64_t first, int64_t head) {
  return {view.data<T>() + first * view.row_stride() + head * view.dim(2),
          view.row_stride()};
}

// to [width] = a row of head_dim as fp32, the rest zero. Tiles of all heads
// that lie side by side in memory are packed row by row, which reads long runs.
template <typename T>
HWY_INLINE void PackRow(const T* from, const AttentionGrid& grid, float* to) {
  const hn::ScalableTag<float> d;
  const int64_t step = static_cast<int64_t>(hn::Lanes(d));
  ForEachVector(d, grid.head_dim, [&](int64_t i, auto lanes) HWY_ATTR {
    hn::Store(LoadFloats(d, from + i, lanes), d, to + i);
  });
  for (int64_t i = (grid.head_dim + step - 1) / step * step; i < grid.width;
       i += step) {
    hn::Store(hn::Zero(d), d, to + i);
  }
}

// Zeroes the rows of a tile behind the last one.
HWY_INLINE void ZeroRows(const AttentionGrid& grid, int64_t rows,
                         int64_t tile_rows, float* tile) {
  std::fill(tile + rows * grid.width, tile + tile_rows * grid.width, 0.0f);
}

#if HWY_TARGET == HWY_SCALAR

constexpr bool kTransposesFours = false;
template <typename T>
HWY_INLINE void TransposeFour(HeadRows<const T>, float, float*) {}

#else

constexpr bool kTransposesFours = true;

// to [4, kKeyTile], at column 0 to 3: four rows become four columns.
template <typename T>
HWY_INLINE void TransposeFour(HeadRows<const T> from, float factor, float* to) {
  const hn::CappedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> dd;
  const auto factors = hn::Set(d, factor);
  const auto row = [&](int64_t r) HWY_ATTR {
    return hn::Mul(LoadFloats(d, from.data + r * from.stride, AllLanes()),
                   factors);
  };
  const auto row0 = row(0), row1 = row(1), row2 = row(2), row3 = row(3);
  const auto lower01 = hn::BitCast(dd, hn::InterleaveLower(d, row0, row1));
  const auto lower23 = hn::BitCast(dd, hn::InterleaveLower(d, row2, row3));
  const auto upper01 = hn::BitCast(dd, hn::InterleaveUpper(d, row0, row1));
  const auto upper23 = hn::BitCast(dd, hn::InterleaveUpper(d, row2, row3));
  const auto store = [&](auto pairs, int64_t i) HWY_ATTR {
    hn::StoreU(hn::BitCast(d, pairs), d, to + i * kKeyTile);
  };
  store(hn::InterleaveLower(dd, lower01, lower23), 0);
  store(hn::InterleaveUpper(dd, lower01, lower23), 1);
  store(hn::InterleaveLower(dd, upper01, upper23), 2);
  store(hn::InterleaveUpper(dd, upper01, upper23), 3);
}

#endif  // HWY_TARGET == HWY_SCALAR

// to [head_dim, kKeyTile] = factor · the transposed rows, the rest zero.
template <typename T>
void PackTransposed(HeadRows<const T> from, int64_t rows, int64_t head_dim,
                    float factor, float* to) {
  const hn::CappedTag<float, 1> one;
  const int64_t four_rows = kTransposesFours ? rows / 4 * 4 : 0;
  const int64_t four_columns = head_dim / 4 * 4;
  const auto copy = [&](int64_t r, int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t i = begin; i < end; ++i) {
      const auto x =
          LoadFloats(one, from.data + r * from.stride + i, AllLanes());
      to[i * kKeyTile + r] = factor * hn::GetLane(x);
    }
  };
  for (int64_t r = 0; r < four_rows; r += 4) {
    for (int64_t i = 0; i < four_columns; i += 4) {
      TransposeFour<T>({from.data + r * from.stride + i, from.stride}, factor,
                       to + i * kKeyTile + r);
    }
    for (int64_t j = r; j < r + 4; ++j) copy(j, four_columns, head_dim);
  }
  for (int64_t r = four_rows; r < rows; ++r) copy(r, 0, head_dim);
  if (rows == kKeyTile) return;
  for (int64_t i = 0; i < head_dim; ++i) {
    std::fill(to + i * kKeyTile + rows, to + (i + 1) * kKeyTile, 0.0f);
  }
}

// Where a tile of queries meets a tile of keys, of which the causal mask alone
// leaves something out.
struct CausalPair {
  static constexpr bool kWindow = false;
  int64_t query_rows;
  // First query's position minus first key's: query r sees keys [0, r + offset]
  // of the tile. Not negative.
  int64_t offset;

  // Keys of the tile that query r sees.
  int64_t Visible(int64_t r) const {
    return std::min(kKeyTile, offset + r + 1);
  }
  // Keys that some query of the block of rows from r on sees.
  int64_t VisibleToBlock(int64_t r) const {
    return Visible(std::min(r + kBlockRows, query_rows) - 1);
  }
  // The first query of the tile that sees key s.
  int64_t FirstQuery(int64_t s) const {
    return std::max<int64_t>(0, s - offset);
  }
  // Behind the last query that sees a key of the block of keys from s on.
  int64_t QueryEnd(int64_t /*s*/) const { return query_rows; }
  // The first key that query r, and so the block of rows from r on, sees.
  static constexpr int64_t Begin(int64_t /*r*/) { return 0; }
};

// The same where a window leaves out keys too: query r sees none before key
// r + low, and may see none at all.
struct WindowPair : CausalPair {
  static constexpr bool kWindow = true;
  WindowPair(const CausalPair& pair, int64_t window)
      : CausalPair(pair), low(pair.offset - window + 1) {}

  int64_t QueryEnd(int64_t s) const {
    return std::min(query_rows, s + kBlockRows - low);
  }
  int64_t Begin(int64_t r) const {
    return std::clamp<int64_t>(r + low, 0, kKeyTile);
  }

  int64_t low;
};

// Calls body(pair) with what it takes to mask the pair: a window is left out
// where all queries see the tile's first key.
template <class Body>
HWY_INLINE void WithMask(const AttentionGrid& grid, const CausalPair& pair,
                         const Body& body) {
  if (pair.query_rows - 1 + pair.offset < grid.window) {
    body(pair);
  } else {
    body(WindowPair(pair, grid.window));
  }
}

// scores [queries, keys] = rows [queries, head_dim] · columns [head_dim, keys],
// where some query of a block sees some key of a panel.
template <class Pair>
HWY_INLINE void ScoreProduct(const AttentionGrid& grid, const Pair& pair,
                             const float* rows, const float* columns,
                             float* scores) {
  const hn::ScalableTag<float> d;
  const int64_t panel = 2 * static_cast<int64_t>(hn::Lanes(d));
  for (int64_t c = 0; c < kKeyTile; c += panel) {
    for (int64_t r = 0; r < pair.query_rows; r += kBlockRows) {
      if (c >= pair.VisibleToBlock(r)) continue;
      if (Pair::kWindow && c + panel <= pair.Begin(r)) continue;
      BlockProduct<2, Into::kNothing>(
          grid.head_dim, rows + r * grid.width, grid.width, 1, columns + c,
          kKeyTile, nullptr, scores + r * kScoreStride + c, kScoreStride);
    }
  }
}

// Calls body(c, vectors) for panels of two vectors, or one at the end, that
// cover head_dim. `vectors` is a std::integral_constant.
template <class Body>
HWY_INLINE void ForEachPanel(int64_t head_dim, const Body& body) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes < head_dim; c += 2 * lanes) {
    body(c, std::integral_constant<int, 2>());
  }
  if (c < head_dim) body(c, std::integral_constant<int, 1>());
}

// result [queries, head_dim] = old + weights [queries, keys] · rows [keys,
// head_dim], over the keys that a block of queries sees.
template <Into kInto, class Pair>
HWY_INLINE void QueryProduct(const AttentionGrid& grid, const Pair& pair,
                             const float* weights, const float* rows,
                             const float* factors, float* result) {
  ForEachPanel(grid.head_dim, [&](int64_t c, auto vectors) HWY_ATTR {
    for (int64_t r = 0; r < pair.query_rows; r += kBlockRows) {
      const int64_t end = pair.VisibleToBlock(r);
      const int64_t begin = Pair::kWindow ? std::min(pair.Begin(r), end) : 0;
      BlockProduct<vectors(), kInto>(
          end - begin, weights + r * kScoreStride + begin, kScoreStride, 1,
          rows + begin * grid.width + c, grid.width, factors + r,
          result + r * grid.width + c, grid.width);
    }
  });
}

// result [keys, head_dim] += weightsᵀ [keys, queries] · rows [queries,
// head_dim], over the queries that see a block of keys.
template <class Pair>
HWY_INLINE void KeyProduct(const AttentionGrid& grid, const Pair& pair,
                           int64_t key_rows, const float* weights,
                           const float* rows, float* result) {
  ForEachPanel(grid.head_dim, [&](int64_t c, auto vectors) HWY_ATTR {
    for (int64_t s = 0; s < key_rows; s += kBlockRows) {
      const int64_t first = pair.FirstQuery(s);
      const int64_t end = pair.QueryEnd(s);
      if (first >= pair.query_rows) break;
      if (Pair::kWindow && first >= end) continue;
      BlockProduct<vectors(), Into::kSum>(
          end - first, weights + first * kScoreStride + s, 1, kScoreStride,
          rows + first * grid.width + c, grid.width, nullptr,
          result + s * grid.width + c, grid.width);
    }
  });
}

// Fills the rest of the vector that holds the last visible score with -inf.
HWY_INLINE void MaskLastVector(int64_t visible, float* scores) {
  const hn::ScalableTag<float> d;
  if (visible == kKeyTile) return;
  hn::StoreU(hn::Set(d, -std::numeric_limits<float>::infinity()), d,
             scores + visible);
}

// The beginning of the first vector of row r with a visible score.
template <class Pair>
HWY_INLINE int64_t FirstVector(const Pair& pair, int64_t r) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  return Pair::kWindow ? pair.Begin(r) / lanes * lanes : 0;
}

// Fills what this vector holds in front of the first visible score with -inf.
template <class Pair>
HWY_INLINE void MaskFirstVector(const Pair& pair, int64_t r, float* scores) {
  if constexpr (Pair::kWindow) {
    std::fill(scores + FirstVector(pair, r), scores + pair.Begin(r),
              -std::numeric_limits<float>::infinity());
  }
}

// Zeroes what products of a block of rows, or of keys, read in front of this
// vector.
template <class Pair>
HWY_INLINE void ZeroInFront(const Pair& pair, int64_t r, float* weights) {
  if constexpr (Pair::kWindow) {
    const int64_t end = FirstVector(pair, r);
    const int64_t begin =
        std::clamp<int64_t>(pair.Begin(r) - kBlockRows + 1, 0, end);
    std::fill(weights + begin, weights + end, 0.0f);
  }
}

// Zeroes what products of a block read behind the last vector of a row.
HWY_INLINE void ZeroBehind(int64_t visible, float* weights) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t end = std::min(kKeyTile, visible + kBlockRows);
  for (int64_t c = (visible + lanes - 1) / lanes * lanes; c < end; c += lanes) {
    hn::Store(hn::Zero(d), d, weights + c);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
