// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The backward pass. With p = 2^(score - log2 of the sum), as in the forward
// pass, and delta_t = dout_t · out_t:
//
//   dv_s = sum_t p_ts dout_t        ds_ts = p_ts (dout_t · v_s - delta_t)
//   dk_s = scale sum_t ds_ts q_t    dq_t  = scale sum_s ds_ts k_s
//
// A task is a chunk of the key tiles of one key/value head: it owns their dk
// and dv, to which the query heads add in ascending order, and writes its own
// share of dq. The shares of all chunks add in ascending order at the end.
#include <algorithm>
#include <cstdint>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/attention.h"
#include "switchyard/kernels/cpu/attention_backward_plan.h"
#include "switchyard/kernels/cpu/attention_grid.h"
#include "switchyard/kernels/cpu/attention_state.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/attention_backward.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/attention_tiles-inl.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr float kLog2E = 1.44269504088896341f;

template <typename T>
void PackKeys(const AttentionBackwardArgs& args, const BackwardPlan& plan,
              int64_t index, float* scratch) {
  const AttentionGrid& grid = plan.grid;
  const int64_t tile = index % grid.key_tiles;
  const int64_t head = index / grid.key_tiles % grid.kv_heads;
  const int64_t sequence = index / grid.key_tiles / grid.kv_heads;
  const int64_t first = sequence * grid.length + tile * kKeyTile;
  const int64_t rows = grid.KeyRows(tile);
  float* packed = plan.KeyTile(scratch, index);
  const auto keys = RowsOfHead<T>(args.k, first, head);
  PackTransposed(keys, rows, grid.head_dim, args.scale * kLog2E, packed);
  packed += grid.KeyTileSize();
  PackTransposed(RowsOfHead<T>(args.v, first, head), rows, grid.head_dim, 1.0f,
                 packed);
  packed += grid.KeyTileSize();
  for (int64_t r = 0; r < rows; ++r) {
    PackRow(keys.data + r * keys.stride, grid, packed + r * grid.width);
  }
  ZeroRows(grid, rows, kKeyTile, packed);
}

// Packs a row of one head into row r of its tile.
template <typename T>
HWY_INLINE void PackQuery(const AttentionGrid& grid, const T* q, const T* dout,
                          const T* out, float logsumexp, int64_t r,
                          float* tile) {
  const D d;
  PackRow(q, grid, tile + r * grid.width);
  PackRow(dout, grid, tile + grid.QueryTileSize() + r * grid.width);
  float* log_sums = tile + 2 * grid.QueryTileSize();
  log_sums[r] = logsumexp * kLog2E;
  log_sums[kQueryTile + r] =
      SumVectors(d, grid.head_dim, [&](int64_t i, auto lanes, V sum) HWY_ATTR {
        return hn::MulAdd(LoadFloats(d, dout + i, lanes),
                          LoadFloats(d, out + i, lanes), sum);
      });
}

// Packs query tile `index` (sequence, tile) of all heads.
template <typename T>
void PackQueries(const AttentionBackwardArgs& args, const BackwardPlan& plan,
                 int64_t index, float* scratch) {
  const AttentionGrid& grid = plan.grid;
  const int64_t tile = index % grid.query_tiles;
  const int64_t sequence = index / grid.query_tiles;
  const int64_t first = sequence * grid.length + tile * kQueryTile;
  const int64_t rows = grid.QueryRows(tile);
  const auto tile_of = [&](int64_t head) {
    return plan.QueryTile(scratch, plan.QueryTileIndex(sequence, head, tile));
  };
  for (int64_t r = 0; r < rows; ++r) {
    const auto q = RowsOfHead<T>(args.q, first + r, 0);
    const auto dout = RowsOfHead<T>(args.dout, first + r, 0);
    const auto out = RowsOfHead<T>(args.out, first + r, 0);
    const float* logsumexp = args.logsumexp.data<float>() +
                             (first + r) * args.logsumexp.row_stride();
    for (int64_t head = 0; head < grid.heads; ++head) {
      const int64_t column = head * grid.head_dim;
      PackQuery(grid, q.data + column, dout.data + column, out.data + column,
                logsumexp[head], r, tile_of(head));
    }
  }
  for (int64_t head = 0; head < grid.heads; ++head) {
    ZeroRows(grid, rows, kQueryTile, tile_of(head));
    ZeroRows(grid, rows, kQueryTile, tile_of(head) + grid.QueryTileSize());
  }
}

// Key tiles first, then query tiles.
void AttentionBackwardPack(const AttentionBackwardArgs& args,
                           const BackwardPlan& plan, int64_t index,
                           float* scratch) {
  const bool is_float = args.q.dtype() == DType::kFloat32;
  if (index < plan.key_tiles) {
    is_float ? PackKeys<float>(args, plan, index, scratch)
             : PackKeys<BFloat16>(args, plan, index, scratch);
  } else {
    index -= plan.key_tiles;
    is_float ? PackQueries<float>(args, plan, index, scratch)
             : PackQueries<BFloat16>(args, plan, index, scratch);
  }
}

// From scores to weights, and from dout · v to the scores' gradients.
template <class Pair>
HWY_INLINE void SoftmaxGradient(const Pair& pair, const float* log_sums,
                                const float* deltas, KeyState& state) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t r = 0; r < pair.query_rows; ++r) {
    float* weights = state.weights + r * kScoreStride;
    float* dscores = state.dscores + r * kScoreStride;
    const int64_t visible = pair.Visible(r);
    MaskLastVector(visible, weights);
    MaskFirstVector(pair, r, weights);
    const V log_sum = hn::Set(d, log_sums[r]);
    const V delta = hn::Set(d, deltas[r]);
    for (int64_t c = FirstVector(pair, r); c < visible; c += lanes) {
      const V p = VectorExp2(d, hn::Sub(hn::Load(d, weights + c), log_sum));
      hn::Store(p, d, weights + c);
      hn::Store(hn::Mul(p, hn::Sub(hn::Load(d, dscores + c), delta)), d,
                dscores + c);
    }
    ZeroInFront(pair, r, weights);
    ZeroInFront(pair, r, dscores);
    ZeroBehind(visible, weights);
    ZeroBehind(visible, dscores);
  }
}

// One tile of keys with one tile of one head's queries.
template <class Pair>
HWY_INLINE void AddPair(const AttentionGrid& grid, const Pair& pair,
                        int64_t key_rows, const float* key_tile,
                        const float* query_tile, bool first_share,
                        KeyState& state, float* share) {
  const float* transposed_keys = key_tile;
  const float* transposed_values = transposed_keys + grid.KeyTileSize();
  const float* keys = transposed_values + grid.KeyTileSize();
  const float* queries = query_tile;
  const float* dout = queries + grid.QueryTileSize();
  const float* log_sums = dout + grid.QueryTileSize();
  ScoreProduct(grid, pair, queries, transposed_keys, state.weights);
  ScoreProduct(grid, pair, dout, transposed_values, state.dscores);
  SoftmaxGradient(pair, log_sums, log_sums + kQueryTile, state);
  KeyProduct(grid, pair, key_rows, state.weights, dout, state.dv);
  KeyProduct(grid, pair, key_rows, state.dscores, queries, state.dk);
  if (first_share) {
    QueryProduct<Into::kNothing>(grid, pair, state.dscores, keys, nullptr,
                                 share);
  } else {
    QueryProduct<Into::kSum>(grid, pair, state.dscores, keys, nullptr, share);
  }
}

template <typename T>
HWY_INLINE void WriteRows(const float* from, int64_t rows, int64_t head_dim,
                          int64_t width, float factor, HeadRows<T> to) {
  const D d;
  const V factors = hn::Set(d, factor);
  for (int64_t r = 0; r < rows; ++r) {
    ForEachVector(d, head_dim, [&](int64_t i, auto lanes) HWY_ATTR {
      StoreFloats(hn::Mul(hn::Load(d, from + r * width + i), factors), d,
                  to.data + r * to.stride + i, lanes);
    });
  }
}

template <typename T>
void KeyChunk(const AttentionBackwardArgs& args, const BackwardPlan& plan,
              int64_t sequence, int64_t kv_head, int64_t chunk,
              float* scratch) {
  const AttentionGrid& grid = plan.grid;
  KeyState state(grid);
  const int64_t begin = chunk * plan.chunk_tiles;
  const int64_t end = std::min(grid.key_tiles, begin + plan.chunk_tiles);
  for (int64_t j = begin; j < end; ++j) {
    const int64_t rows = grid.KeyRows(j);
    const float* key_tile =
        plan.KeyTile(scratch, plan.KeyTileIndex(sequence, kv_head, j));
    std::fill_n(state.dk, 2 * grid.KeyTileSize(), 0.0f);  // and dv
    for (int64_t h = 0; h < grid.heads_per_kv_head(); ++h) {
      const int64_t head = kv_head * grid.heads_per_kv_head() + h;
      for (int64_t i = grid.FirstQueryTile(j); i <= grid.LastQueryTile(j);
           ++i) {
        const int64_t index = plan.QueryTileIndex(sequence, head, i);
        const CausalPair causal = {grid.QueryRows(i),
                                   i * kQueryTile - j * kKeyTile};
        const bool first_share = j == std::max(begin, grid.FirstKeyTile(i));
        WithMask(grid, causal, [&](const auto& pair) HWY_ATTR {
          AddPair(grid, pair, rows, key_tile, plan.QueryTile(scratch, index),
                  first_share, state, plan.Share(scratch, chunk, index));
        });
      }
    }
    const int64_t first = sequence * grid.length + j * kKeyTile;
    WriteRows(state.dk, rows, grid.head_dim, grid.width, args.scale,
              RowsOfHead<T>(args.dk, first, kv_head));
    WriteRows(state.dv, rows, grid.head_dim, grid.width, 1.0f,
              RowsOfHead<T>(args.dv, first, kv_head));
  }
}

void AttentionBackwardKeys(const AttentionBackwardArgs& args,
                           const BackwardPlan& plan, int64_t sequence,
                           int64_t kv_head, int64_t chunk, float* scratch) {
  if (args.q.dtype() == DType::kFloat32) {
    KeyChunk<float>(args, plan, sequence, kv_head, chunk, scratch);
  } else {
    KeyChunk<BFloat16>(args, plan, sequence, kv_head, chunk, scratch);
  }
}

// dq of one query tile from the shares of the chunks that it saw.
template <typename T>
void WriteQueries(const AttentionBackwardArgs& args, const BackwardPlan& plan,
                  int64_t index, float* scratch) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const AttentionGrid& grid = plan.grid;
  const int64_t tile = index % grid.query_tiles;
  const int64_t head = index / grid.query_tiles % grid.heads;
  const int64_t sequence = index / grid.query_tiles / grid.heads;
  const int64_t first_chunk = grid.FirstKeyTile(tile) / plan.chunk_tiles;
  const int64_t last_chunk = grid.LastKeyTile(tile) / plan.chunk_tiles;
  float* sum = plan.Share(scratch, first_chunk, index);
  for (int64_t chunk = first_chunk + 1; chunk <= last_chunk; ++chunk) {
    const float* share = plan.Share(scratch, chunk, index);
    for (int64_t i = 0; i < grid.QueryTileSize(); i += lanes) {
      hn::Store(hn::Add(hn::Load(d, sum + i), hn::Load(d, share + i)), d,
                sum + i);
    }
  }
  const int64_t first = sequence * grid.length + tile * kQueryTile;
  WriteRows(sum, grid.QueryRows(tile), grid.head_dim, grid.width, args.scale,
            RowsOfHead<T>(args.dq, first, head));
}

void AttentionBackwardQueries(const AttentionBackwardArgs& args,
                              const BackwardPlan& plan, int64_t index,
                              float* scratch) {
  if (args.q.dtype() == DType::kFloat32) {
    WriteQueries<float>(args, plan, index, scratch);
  } else {
    WriteQueries<BFloat16>(args, plan, index, scratch);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(AttentionBackwardPack);
HWY_EXPORT(AttentionBackwardKeys);
HWY_EXPORT(AttentionBackwardQueries);

}  // namespace

int64_t AttentionBackwardScratch(const AttentionBackwardArgs& args) {
  return BackwardPlan(args).size;
}

void AttentionBackward(const AttentionBackwardArgs& args, float* scratch,
                       int threads) {
  if (args.q.dim(0) == 0) return;
  const auto pack = SWITCHYARD_DISPATCH(AttentionBackwardPack);
  const auto keys = SWITCHYARD_DISPATCH(AttentionBackwardKeys);
  const auto queries = SWITCHYARD_DISPATCH(AttentionBackwardQueries);
  const BackwardPlan plan(args);
  const int64_t packs =
      plan.key_tiles + plan.grid.sequences * plan.grid.query_tiles;
  ParallelFor(threads, packs,
              [&](int64_t index) { pack(args, plan, index, scratch); });
  // The first chunks, which most queries see, first.
  const int64_t pairs = plan.grid.sequences * plan.grid.kv_heads;
  ParallelFor(
      threads, pairs * plan.chunks,
      [&](int64_t index) {
        const int64_t pair = index % pairs;
        keys(args, plan, pair / plan.grid.kv_heads, pair % plan.grid.kv_heads,
             index / pairs, scratch);
      },
      [&] { const KeyState warm(plan.grid); });
  ParallelFor(threads, plan.query_tiles,
              [&](int64_t index) { queries(args, plan, index, scratch); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
