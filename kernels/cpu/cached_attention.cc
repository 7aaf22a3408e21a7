// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys and values are read once for all query heads that share them. Each piece
// leaves its own softmax's maximum and sums, which are joined in the order of
// positions (as in Flash-Decoding, Dao et al., 2023).
#include "switchyard/kernels/cpu/cached_attention.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/cached_attention_grid.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/cached_attention.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Rows of keys or values of consecutive positions.
template <typename T>
struct CacheRun {
  const T* first;
  int64_t stride;
  int64_t count;
};

// body(index of the first among [begin, end), run) for the positions [begin,
// end) of a sequence's head: first those of the cache, which may wrap around
// its end, then the new ones.
template <typename T, class Body>
HWY_INLINE void ForEachRun(const CacheGrid& grid, const T* cached,
                           const T* fresh, int64_t fresh_stride, int64_t begin,
                           int64_t end, const Body& body) {
  const int64_t cached_end = std::min(end, grid.past);
  for (int64_t at = begin; at < cached_end;) {
    const int64_t entry = at % grid.capacity;
    const int64_t count = std::min(cached_end - at, grid.capacity - entry);
    body(at - begin,
         CacheRun<T>{cached + entry * grid.head_dim, grid.head_dim, count});
    at += count;
  }
  const int64_t first = std::max(begin, grid.past);
  if (first >= end) return;
  body(first - begin, CacheRun<T>{fresh + (first - grid.past) * fresh_stride,
                                  fresh_stride, end - first});
}

// scores[h][j] = q_h · k_j of kHeads query heads.
template <int kHeads, typename T>
HWY_INLINE void ScoreRun(const CacheGrid& grid, const float* queries,
                         const CacheRun<T>& run, float* scores) {
  const D d;
  for (int64_t j = 0; j < run.count; ++j) {
    const T* key = run.first + j * run.stride;
    V sums[kHeads];
    for (int h = 0; h < kHeads; ++h) sums[h] = hn::Zero(d);
    ForEachVector(d, grid.head_dim, [&](int64_t i, auto lanes) HWY_ATTR {
      const V k = LoadFloats(d, key + i, lanes);
      for (int h = 0; h < kHeads; ++h) {
        sums[h] =
            hn::MulAdd(hn::Load(d, queries + h * grid.width + i), k, sums[h]);
      }
    });
    for (int h = 0; h < kHeads; ++h) {
      scores[h * kCacheBlock + j] = hn::GetLane(hn::SumOfLanes(d, sums[h]));
    }
  }
}

// sums[h] += p[h][j] v_j for kHeads query heads and kVectors vectors from
// column `i`.
template <int kHeads, int kVectors, typename T, class Lanes>
HWY_INLINE void AddRun(const CacheGrid& grid, const float* weights,
                       const CacheRun<T>& run, int64_t i, Lanes lanes,
                       float* sums) {
  const D d;
  const int64_t step = static_cast<int64_t>(hn::Lanes(d));
  V all[kHeads][kVectors];
  for (int h = 0; h < kHeads; ++h) {
    for (int c = 0; c < kVectors; ++c) {
      all[h][c] = hn::Load(d, sums + h * grid.width + i + c * step);
    }
  }
  for (int64_t j = 0; j < run.count; ++j) {
    const T* value = run.first + j * run.stride + i;
    V v[kVectors];
    for (int c = 0; c < kVectors; ++c) {
      v[c] = LoadFloats(d, value + c * step, lanes);
    }
    for (int h = 0; h < kHeads; ++h) {
      const V p = hn::Set(d, weights[h * kCacheBlock + j]);
      for (int c = 0; c < kVectors; ++c) {
        all[h][c] = hn::MulAdd(p, v[c], all[h][c]);
      }
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int c = 0; c < kVectors; ++c) {
      hn::Store(all[h][c], d, sums + h * grid.width + i + c * step);
    }
  }
}

template <int kHeads, typename T>
HWY_INLINE void AddAllColumns(const CacheGrid& grid, const float* weights,
                              const CacheRun<T>& run, float* sums) {
  const D d;
  constexpr int kVectors = 4;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + kVectors * lanes <= grid.head_dim; i += kVectors * lanes) {
    AddRun<kHeads, kVectors>(grid, weights, run, i, AllLanes(), sums);
  }
  for (; i + lanes <= grid.head_dim; i += lanes) {
    AddRun<kHeads, 1>(grid, weights, run, i, AllLanes(), sums);
  }
  if (i < grid.head_dim) {
    const FirstLanes rest{static_cast<size_t>(grid.head_dim - i)};
    AddRun<kHeads, 1>(grid, weights, run, i, rest, sums);
  }
}

// body(first head, number as a constant) for the query heads, four at a time.
template <class Body>
HWY_INLINE void ForEachHeads(int64_t heads, const Body& body) {
  int64_t h = 0;
  for (; h + 4 <= heads; h += 4) body(h, std::integral_constant<int, 4>());
  for (; h + 2 <= heads; h += 2) body(h, std::integral_constant<int, 2>());
  for (; h < heads; ++h) body(h, std::integral_constant<int, 1>());
}

// Scores become 2^(score - max); gives their maximum and sum.
HWY_INLINE void SoftmaxOfBlock(float* scores, int64_t count, float* max,
                               float* sum) {
  const D d;
  const float lowest = -std::numeric_limits<float>::infinity();
  V most = hn::Set(d, lowest);
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    most = hn::Max(most, Fill(d, Load(d, scores + i, lanes), lanes, lowest));
  });
  *max = hn::GetLane(hn::MaxOfLanes(d, most));
  const V offset = hn::Set(d, *max);
  *sum = SumVectors(d, count, [&](int64_t i, auto lanes, V partial) HWY_ATTR {
    const V x = Fill(d, Load(d, scores + i, lanes), lanes, lowest);
    const V p = VectorExp2(d, hn::Sub(x, offset));
    Store(p, d, scores + i, lanes);
    return hn::Add(partial, p);
  });
}

// The query heads of a key/value head, scaled by scale · log2(e), as rows of
// whole vectors.
template <typename T>
HWY_INLINE void ScaleQueries(const CacheGrid& grid, const T* from, float scale,
                             float* queries) {
  const D d;
  constexpr float kLog2E = 1.44269504088896341f;
  const V factor = hn::Set(d, scale * kLog2E);
  for (int64_t h = 0; h < grid.group; ++h) {
    float* to = queries + h * grid.width;
    std::fill(to + grid.head_dim, to + grid.width, 0.0f);
    ForEachVector(d, grid.head_dim, [&](int64_t i, auto lanes) HWY_ATTR {
      const V q = LoadFloats(d, from + h * grid.head_dim + i, lanes);
      Store(hn::Mul(q, factor), d, to + i, lanes);
    });
  }
}

template <typename T>
void Piece(const CachedAttentionArgs& args, const CacheGrid& grid, int64_t row,
           int64_t kv_head, int64_t block, float* working, float* partial) {
  const int64_t position = grid.Position(row);
  const int64_t begin = std::max(grid.FirstSeen(position), block * kCacheBlock);
  const int64_t end = std::min(position + 1, (block + 1) * kCacheBlock);
  const int64_t sequence = grid.Sequence(row);
  const int64_t first_new = sequence * grid.new_positions;
  const auto for_each_run = [&](const ConstTensorView& cached,
                                const ConstTensorView& fresh,
                                const auto& body) HWY_ATTR {
    const int64_t head = sequence * grid.kv_heads + kv_head;
    ForEachRun(grid, cached.data<T>() + head * grid.capacity * grid.head_dim,
               fresh.data<T>() + first_new * fresh.row_stride() +
                   kv_head * grid.head_dim,
               fresh.row_stride(), begin, end, body);
  };
  float* queries = working;
  float* scores = queries + grid.group * grid.width;
  float* max = partial + grid.group * grid.width;
  float* sum = max + grid.group;
  ScaleQueries(grid,
               args.q.data<T>() + row * args.q.row_stride() +
                   kv_head * grid.group * grid.head_dim,
               args.scale, queries);
  for_each_run(args.cached_k, args.k,
               [&](int64_t at, const CacheRun<T>& run) HWY_ATTR {
                 ForEachHeads(grid.group, [&](int64_t h, auto heads) HWY_ATTR {
                   ScoreRun<heads.value>(grid, queries + h * grid.width, run,
                                         scores + h * kCacheBlock + at);
                 });
               });
  for (int64_t h = 0; h < grid.group; ++h) {
    SoftmaxOfBlock(scores + h * kCacheBlock, end - begin, max + h, sum + h);
  }
  std::fill_n(partial, grid.group * grid.width, 0.0f);
  for_each_run(
      args.cached_v, args.v, [&](int64_t at, const CacheRun<T>& run) HWY_ATTR {
        ForEachHeads(grid.group, [&](int64_t h, auto heads) HWY_ATTR {
          AddAllColumns<heads.value>(grid, scores + h * kCacheBlock + at, run,
                                     partial + h * grid.width);
        });
      });
}

void CachedAttentionPiece(const CachedAttentionArgs& args,
                          const CacheGrid& grid, int64_t row, int64_t kv_head,
                          int64_t block, float* working, float* partial) {
  if (args.q.dtype() == DType::kFloat32) {
    Piece<float>(args, grid, row, kv_head, block, working, partial);
  } else {
    Piece<BFloat16>(args, grid, row, kv_head, block, working, partial);
  }
}

// Joins the blocks of one query head, `stride` floats from one to the next, and
// divides.
template <typename T>
HWY_INLINE void JoinHead(const CacheGrid& grid, int64_t head, int64_t blocks,
                         float* partials, T* out) {
  const D d;
  const int64_t size = grid.PartialSize();
  const int64_t max_at = grid.group * grid.width + head;
  const int64_t sum_at = max_at + grid.group;
  float max = partials[max_at];
  for (int64_t b = 1; b < blocks; ++b) {
    max = std::max(max, partials[b * size + max_at]);
  }
  float sum = 0.0f;
  for (int64_t b = 0; b < blocks; ++b) {
    float* partial = partials + b * size;
    const float factor =
        hn::GetLane(VectorExp2(d, hn::Set(d, partial[max_at] - max)));
    sum += factor * partial[sum_at];
    partial[max_at] = factor;
  }
  ForEachVector(d, grid.head_dim, [&](int64_t i, auto lanes) HWY_ATTR {
    V all = hn::Zero(d);
    for (int64_t b = 0; b < blocks; ++b) {
      const float* partial = partials + b * size;
      all = hn::MulAdd(hn::Set(d, partial[max_at]),
                       hn::Load(d, partial + head * grid.width + i), all);
    }
    StoreFloats(hn::Div(all, hn::Set(d, sum)), d, out + i, lanes);
  });
}

void CachedAttentionJoin(const CachedAttentionArgs& args, const CacheGrid& grid,
                         int64_t row, int64_t kv_head, float* partials) {
  const int64_t blocks = grid.BlockCount(row);
  for (int64_t head = 0; head < grid.group; ++head) {
    const int64_t at = row * args.out.row_stride() +
                       (kv_head * grid.group + head) * grid.head_dim;
    if (args.out.dtype() == DType::kFloat32) {
      JoinHead(grid, head, blocks, partials, args.out.data<float>() + at);
    } else {
      JoinHead(grid, head, blocks, partials, args.out.data<BFloat16>() + at);
    }
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(CachedAttentionPiece);
HWY_EXPORT(CachedAttentionJoin);

struct Working {};

// Queries and scores of a piece.
float* WorkingMemory(const CacheGrid& grid) {
  return ThreadScratch<Working, float>(grid.group * (grid.width + kCacheBlock));
}

// Copies one sequence's head of keys or values.
void AppendHead(const ConstTensorView& fresh, const TensorView& cached,
                int64_t sequences, int64_t past, int64_t index) {
  const int64_t kv_heads = fresh.dim(1);
  const int64_t capacity = cached.dim(1);
  const int64_t count = fresh.dim(0) / sequences;
  const int64_t bytes =
      fresh.dim(2) * static_cast<int64_t>(SizeOf(fresh.dtype()));
  const int64_t row_bytes =
      fresh.row_stride() * static_cast<int64_t>(SizeOf(fresh.dtype()));
  const int64_t sequence = index / kv_heads, head = index % kv_heads;
  const char* from = static_cast<const char*>(fresh.raw()) +
                     sequence * count * row_bytes + head * bytes;
  char* to = static_cast<char*>(cached.raw()) + index * capacity * bytes;
  for (int64_t i = std::max<int64_t>(0, count - capacity); i < count; ++i) {
    std::memcpy(to + (past + i) % capacity * bytes, from + i * row_bytes,
                static_cast<size_t>(bytes));
  }
}

}  // namespace

int64_t CachedAttentionScratch(const CachedAttentionArgs& args) {
  const CacheGrid grid(args);
  return std::min(grid.rows, kCacheRows) * grid.kv_heads * grid.MostBlocks() *
         grid.PartialSize();
}

void CachedAttention(const CachedAttentionArgs& args, float* scratch,
                     int threads) {
  if (args.q.dim(0) == 0) return;
  const auto piece = SWITCHYARD_DISPATCH(CachedAttentionPiece);
  const auto join = SWITCHYARD_DISPATCH(CachedAttentionJoin);
  const CacheGrid grid(args);
  const int64_t blocks = grid.MostBlocks();
  for (int64_t begin = 0; begin < grid.rows; begin += kCacheRows) {
    const int64_t pairs =
        std::min(kCacheRows, grid.rows - begin) * grid.kv_heads;
    // A pair is a row and a key/value head.
    const auto partial_of = [&](int64_t pair, int64_t block) {
      return scratch + (pair * blocks + block) * grid.PartialSize();
    };
    ParallelFor(
        threads, pairs * blocks,
        [&](int64_t index) {
          const int64_t pair = index / blocks, block = index % blocks;
          const int64_t row = begin + pair / grid.kv_heads;
          if (block >= grid.BlockCount(row)) return;
          piece(args, grid, row, pair % grid.kv_heads,
                grid.FirstBlock(row) + block, WorkingMemory(grid),
                partial_of(pair, block));
        },
        [&] { WorkingMemory(grid); });
    ParallelFor(threads, pairs, [&](int64_t pair) {
      join(args, grid, begin + pair / grid.kv_heads, pair % grid.kv_heads,
           partial_of(pair, 0));
    });
  }
}

void AppendToCache(const AppendToCacheArgs& args, int threads) {
  if (args.k.dim(0) == 0) return;
  ParallelFor(threads, args.sequences * args.k.dim(1), [&](int64_t index) {
    AppendHead(args.k, args.cached_k, args.sequences, args.past, index);
    AppendHead(args.v, args.cached_v, args.sequences, args.past, index);
  });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
