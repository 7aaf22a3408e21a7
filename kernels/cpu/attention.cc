// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The forward pass. Keys are packed once, transposed and scaled by scale ·
// log2(e), so that p = 2^(score - max); values as rows of fp32. A task is one
// tile of queries with all query heads that share its keys and values.
#include "switchyard/kernels/cpu/attention.h"

#include <cstdint>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/attention_grid.h"
#include "switchyard/kernels/cpu/attention_state.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/attention.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/attention_tiles-inl.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Packs key tile `index` (sequence, kv head, tile): transposed keys, then
// values.
template <typename T>
void PackTile(const AttentionArgs& args, const AttentionGrid& grid,
              int64_t index, float* packed) {
  const int64_t tile = index % grid.key_tiles;
  const int64_t head = index / grid.key_tiles % grid.kv_heads;
  const int64_t sequence = index / grid.key_tiles / grid.kv_heads;
  const int64_t first = sequence * grid.length + tile * kKeyTile;
  const int64_t rows = grid.KeyRows(tile);
  constexpr float kLog2E = 1.44269504088896341f;
  float* keys = packed + index * 2 * grid.KeyTileSize();
  PackTransposed(RowsOfHead<T>(args.k, first, head), rows, grid.head_dim,
                 args.scale * kLog2E, keys);
  const auto values = RowsOfHead<T>(args.v, first, head);
  float* packed_values = keys + grid.KeyTileSize();
  for (int64_t r = 0; r < rows; ++r) {
    PackRow(values.data + r * values.stride, grid,
            packed_values + r * grid.width);
  }
  ZeroRows(grid, rows, kKeyTile, packed_values);
}

void AttentionPackTile(const AttentionArgs& args, const AttentionGrid& grid,
                       int64_t index, float* packed) {
  if (args.q.dtype() == DType::kFloat32) {
    PackTile<float>(args, grid, index, packed);
  } else {
    PackTile<BFloat16>(args, grid, index, packed);
  }
}

// Takes the tile's scores into max and sum and makes weights of them. A row
// that sees none of the tile's keys keeps what it has.
template <class Pair>
HWY_INLINE void RunningSoftmax(const Pair& pair, QueryState& state) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
  HWY_ALIGN float max[kQueryTile] = {};
  for (int64_t r = 0; r < pair.query_rows; ++r) {
    float* scores = state.scores + r * kScoreStride;
    const int64_t visible = pair.Visible(r);
    MaskLastVector(visible, scores);
    MaskFirstVector(pair, r, scores);
    int64_t c = FirstVector(pair, r);
    V greatest = Pair::kWindow && c >= visible ? hn::Set(d, kMinusInfinity)
                                               : hn::Load(d, scores + c);
    for (c += lanes; c < visible; c += lanes) {
      greatest = hn::Max(greatest, hn::Load(d, scores + c));
    }
    max[r] = hn::GetLane(hn::MaxOfLanes(d, greatest));
  }
  for (int64_t r = 0; r < kQueryTile; r += lanes) {
    const V old_max = hn::Load(d, state.max + r);
    const V new_max = hn::Max(old_max, hn::Load(d, max + r));
    const V factor = VectorExp2(d, hn::Sub(old_max, new_max));
    hn::Store(new_max, d, state.max + r);
    hn::Store(factor, d, state.factor + r);
    hn::Store(hn::Mul(hn::Load(d, state.sum + r), factor), d, state.sum + r);
  }
  for (int64_t r = 0; r < pair.query_rows; ++r) {
    float* scores = state.scores + r * kScoreStride;
    const int64_t visible = pair.Visible(r);
    const V row_max = hn::Set(d, state.max[r]);
    V sum = hn::Zero(d);
    for (int64_t c = FirstVector(pair, r); c < visible; c += lanes) {
      const V p = VectorExp2(d, hn::Sub(hn::Load(d, scores + c), row_max));
      hn::Store(p, d, scores + c);
      sum = hn::Add(sum, p);
    }
    state.sum[r] += hn::GetLane(hn::SumOfLanes(d, sum));
    ZeroInFront(pair, r, scores);
    ZeroBehind(visible, scores);
  }
}

// Divides by the sums and writes what is asked for.
template <typename T>
HWY_INLINE void WriteOut(const AttentionGrid& grid, const QueryState& state,
                         int64_t rows, HeadRows<T> out, float* logsumexp,
                         int64_t logsumexp_stride) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float log[kQueryTile];
  constexpr float kLn2 = 0.693147180559945309f;
  for (int64_t r = 0; r < kQueryTile; r += lanes) {
    const V log_sum = VectorLog(d, hn::Load(d, state.sum + r));
    hn::Store(hn::MulAdd(hn::Load(d, state.max + r), hn::Set(d, kLn2), log_sum),
              d, log + r);
  }
  for (int64_t r = 0; r < rows; ++r) {
    logsumexp[r * logsumexp_stride] = log[r];
    const V sum = hn::Set(d, state.sum[r]);
    const float* row = state.out + r * grid.width;
    T* to = out.data + r * out.stride;
    ForEachVector(d, grid.head_dim, [&](int64_t i, auto part) HWY_ATTR {
      StoreFloats(hn::Div(hn::Load(d, row + i), sum), d, to + i, part);
    });
  }
}

template <typename T>
HWY_INLINE void PackQueries(const AttentionGrid& grid, HeadRows<const T> from,
                            int64_t rows, float* tiles) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t head = 0; head < grid.heads_per_kv_head(); ++head) {
      PackRow(from.data + r * from.stride + head * grid.head_dim, grid,
              tiles + head * grid.QueryTileSize() + r * grid.width);
    }
  }
  for (int64_t head = 0; head < grid.heads_per_kv_head(); ++head) {
    ZeroRows(grid, rows, kQueryTile, tiles + head * grid.QueryTileSize());
  }
}

// One head's queries meet one tile of keys.
template <class Pair>
HWY_INLINE void PassTile(const AttentionGrid& grid, const Pair& pair,
                         bool first, const float* queries, const float* keys,
                         QueryState& state) {
  const float* values = keys + grid.KeyTileSize();
  ScoreProduct(grid, pair, queries, keys, state.scores);
  RunningSoftmax(pair, state);
  if (first) {
    QueryProduct<Into::kNothing>(grid, pair, state.scores, values, state.factor,
                                 state.out);
  } else {
    QueryProduct<Into::kScaledSum>(grid, pair, state.scores, values,
                                   state.factor, state.out);
  }
}

// One head's way over the keys that its queries see.
HWY_INLINE void PassKeys(const AttentionGrid& grid, int64_t tile,
                         const float* queries, const float* packed,
                         QueryState& state) {
  using Limits = std::numeric_limits<float>;
  const int64_t rows = grid.QueryRows(tile);
  const int64_t first = grid.FirstKeyTile(tile);
  // With a window, a row may see no key of the first tile: then its maximum is
  // a number, so that the difference of two of them is one.
  const float least =
      grid.window < grid.length ? Limits::lowest() : -Limits::infinity();
  for (int64_t r = 0; r < kQueryTile; ++r) {
    state.max[r] = r < rows ? least : 0.0f;
    state.sum[r] = r < rows ? 0.0f : 1.0f;
  }
  for (int64_t j = first; j <= grid.LastKeyTile(tile); ++j) {
    const float* keys = packed + j * 2 * grid.KeyTileSize();
    const CausalPair causal = {rows, tile * kQueryTile - j * kKeyTile};
    WithMask(grid, causal, [&](const auto& pair) HWY_ATTR {
      PassTile(grid, pair, j == first, queries, keys, state);
    });
  }
}

template <typename T>
void QueryTile(const AttentionArgs& args, const AttentionGrid& grid,
               const float* packed, int64_t sequence, int64_t kv_head,
               int64_t tile) {
  QueryState state(grid);
  const int64_t rows = grid.QueryRows(tile);
  const int64_t first = sequence * grid.length + tile * kQueryTile;
  const int64_t first_head = kv_head * grid.heads_per_kv_head();
  const float* keys = packed + (sequence * grid.kv_heads + kv_head) *
                                   grid.key_tiles * 2 * grid.KeyTileSize();
  PackQueries(grid, RowsOfHead<T>(args.q, first, first_head), rows,
              state.queries);
  for (int64_t i = 0; i < grid.heads_per_kv_head(); ++i) {
    PassKeys(grid, tile, state.queries + i * grid.QueryTileSize(), keys, state);
    const int64_t head = first_head + i;
    WriteOut(grid, state, rows, RowsOfHead<T>(args.out, first, head),
             args.logsumexp.data<float>() +
                 first * args.logsumexp.row_stride() + head,
             args.logsumexp.row_stride());
  }
}

void AttentionQueryTile(const AttentionArgs& args, const AttentionGrid& grid,
                        const float* packed, int64_t sequence, int64_t kv_head,
                        int64_t tile) {
  if (args.q.dtype() == DType::kFloat32) {
    QueryTile<float>(args, grid, packed, sequence, kv_head, tile);
  } else {
    QueryTile<BFloat16>(args, grid, packed, sequence, kv_head, tile);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(AttentionPackTile);
HWY_EXPORT(AttentionQueryTile);

}  // namespace

int64_t AttentionScratch(const AttentionArgs& args) {
  const AttentionGrid grid(args.q, args.k, args.sequence_length, args.window);
  return grid.sequences * grid.kv_heads * grid.key_tiles * 2 *
         grid.KeyTileSize();
}

void Attention(const AttentionArgs& args, float* packed, int threads) {
  if (args.q.dim(0) == 0) return;
  const auto pack_tile = SWITCHYARD_DISPATCH(AttentionPackTile);
  const auto query_tile = SWITCHYARD_DISPATCH(AttentionQueryTile);
  const AttentionGrid grid(args.q, args.k, args.sequence_length, args.window);
  const int64_t pairs = grid.sequences * grid.kv_heads;
  const int64_t key_tiles = pairs * grid.key_tiles;
  ParallelFor(threads, key_tiles,
              [&](int64_t index) { pack_tile(args, grid, index, packed); });
  // The longest tasks, which see most keys, first.
  ParallelFor(
      threads, pairs * grid.query_tiles,
      [&](int64_t index) {
        const int64_t pair = index % pairs;
        query_tile(args, grid, packed, pair / grid.kv_heads,
                   pair % grid.kv_heads, grid.query_tiles - 1 - index / pairs);
      },
      [&] { const QueryState warm(grid); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
