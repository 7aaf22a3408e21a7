// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Backward attention by tensor cores, bound as the forward pass is. One kernel
// owns tiles of keys and sums dk and dv, the other tiles of queries and sums
// dq; both make the weights again. That is 7 products of matrices where one
// kernel would do with 5, but dq then would be in as many shares in memory as
// there are tiles of keys: 8 bytes, written and read, for each 256 operations
// that are saved, while a GPU does about 150 in the time of one byte.
#include <cstdint>

#include "switchyard/kernels/cuda/attention_mma.cuh"
#include "switchyard/kernels/cuda/attention_mma.h"

namespace switchyard::kernels::cuda {
namespace {

struct Backward {
  AttentionShape shape;
  Rows<const BFloat> q, k, v, dout;
  const float2* statistics;
  Rows<BFloat> dq, dk, dv;
  bool aligned;
};

// Rows of the tiles that pass by the block's own. Two sums of a head of 128
// leave registers for 32.
template <int kWidth>
constexpr int kPassing = kWidth == 128 ? 32 : 64;
template <int kWidth>
constexpr int kPassingElements = kPassing<kWidth>* kTileStride<kWidth>;
template <int kWidth>
constexpr int kOwnElements = kMmaRows* kTileStride<kWidth>;

// Two tiles of queries with their statistics, or of keys and values.
template <int kWidth>
constexpr int kStageElements =
    2 * kPassingElements<kWidth> +
    kPassing<kWidth>* static_cast<int>(sizeof(float2) / sizeof(BFloat));
template <int kWidth>
constexpr int kSharedBytes =
    2 * (kOwnElements<kWidth> +
         kStageElements<kWidth>)*static_cast<int>(sizeof(BFloat));

// p = 2^(score - logsumexp), 0 where the score is -inf; ds = p (dp - delta).
__device__ __forceinline__ void Differentiate(float& score, float& dp,
                                              float2 statistics) {
  score = exp2f(score - statistics.x);
  dp = score * (dp - statistics.y);
}

// The A operand of the warp's own rows of a tile.
template <int kWidth>
struct OwnRows {
  const BFloat* tile;
  __device__ __forceinline__ void operator()(uint32_t (&a)[4],
                                             int column) const {
    LoadA<kWidth>(a, tile + Warp() * 16 * kTileStride<kWidth>, column);
  }
};

template <int kWidth>
__device__ __forceinline__ void LoadQueries(const Backward& args,
                                            int64_t sequence, int64_t head,
                                            int64_t first_query,
                                            BFloat* stage) {
  constexpr int kQueries = kPassing<kWidth>;
  const HeadTile queries =
      HeadTileOf(args.shape, sequence, head, first_query, kQueries);
  LoadTile<kQueries, kWidth>(stage, queries, args.q, args.aligned);
  LoadTile<kQueries, kWidth>(stage + kPassingElements<kWidth>, queries,
                             args.dout, args.aligned);
  if (threadIdx.x < kQueries / 2) {
    float2* statistics =
        reinterpret_cast<float2*>(stage + 2 * kPassingElements<kWidth>);
    CopyAsync(statistics + 2 * threadIdx.x,
              args.statistics +
                  StatisticsAt(args.shape, sequence, head, first_query) +
                  2 * threadIdx.x,
              true);
  }
  CommitCopies();
}

// The query heads of the group one after the other, each with the tiles of
// queries that see the block's keys.
template <int kWidth>
__global__ void __launch_bounds__(kMmaThreads)
    KeyGradientsKernel(Backward args) {
  constexpr int kQueries = kPassing<kWidth>;
  const AttentionShape& shape = args.shape;
  BFloat* keys = SWITCHYARD_DYNAMIC_SHARED(BFloat);
  BFloat* values = keys + kOwnElements<kWidth>;
  BFloat* stages = values + kOwnElements<kWidth>;
  const BlockPlace place = PlaceOf(shape);
  const int64_t first_key = place.tile * kMmaRows;
  const HeadTile own =
      HeadTileOf(shape, place.sequence, place.kv_head, first_key, kMmaRows);
  LoadTile<kMmaRows, kWidth>(keys, own, args.k, args.aligned);
  LoadTile<kMmaRows, kWidth>(values, own, args.v, args.aligned);
  const int64_t end = shape.LastSeeing(first_key + kMmaRows - 1) + 1;
  const int64_t end_head = (place.kv_head + 1) * shape.group;
  int64_t head = place.kv_head * shape.group;
  int64_t query = first_key;
  LoadQueries<kWidth>(args, place.sequence, head, query, stages);
  float dk[kWidth / 8][4] = {}, dv[kWidth / 8][4] = {};
  for (int stage = 0; head < end_head; stage ^= 1) {
    const bool last_of_head = query + kQueries >= end;
    const int64_t next_head = head + (last_of_head ? 1 : 0);
    const int64_t next_query = last_of_head ? first_key : query + kQueries;
    WaitForCopies<0>();
    __syncthreads();  // this tile is there, and the last one's place is free
    if (next_head < end_head) {
      LoadQueries<kWidth>(args, place.sequence, next_head, next_query,
                          stages + (stage ^ 1) * kStageElements<kWidth>);
    }
    const BFloat* queries = stages + stage * kStageElements<kWidth>;
    const BFloat* douts = queries + kPassingElements<kWidth>;
    const float2* statistics =
        reinterpret_cast<const float2*>(douts + kPassingElements<kWidth>);
    float p[kQueries / 8][4], ds[kQueries / 8][4];  // rows are keys
    MultiplyTile<kQueries, kWidth>(p, queries, OwnRows<kWidth>{keys});
    MultiplyTile<kQueries, kWidth>(ds, douts, OwnRows<kWidth>{values});
    ScaleAndMask<kQueries>(p, shape.scale,
                           SeeingQueries<kQueries>(shape, first_key, query));
#pragma unroll
    for (int n = 0; n < kQueries / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        Differentiate(p[n][i], ds[n][i],
                      statistics[n * 8 + Lane() % 4 * 2 + i % 2]);
      }
    }
    AddTile<kQueries, kWidth>(dv, p, douts);
    AddTile<kQueries, kWidth>(dk, ds, queries);
    head = next_head;
    query = next_query;
  }
  // Of keys and values a warp reads and overwrites its own rows only.
  const float unscaled[2] = {1.0f, 1.0f};
  const float scales[2] = {shape.scale, shape.scale};
  StoreTile<kWidth>(dv, unscaled, own, args.dv, args.aligned, values);
  StoreTile<kWidth>(dk, scales, own, args.dk, args.aligned, keys);
}

template <int kWidth>
__device__ __forceinline__ void LoadKeys(const Backward& args,
                                         const BlockPlace& place,
                                         int64_t first_key, BFloat* stage) {
  constexpr int kKeys = kPassing<kWidth>;
  const HeadTile keys =
      HeadTileOf(args.shape, place.sequence, place.kv_head, first_key, kKeys);
  LoadTile<kKeys, kWidth>(stage, keys, args.k, args.aligned);
  LoadTile<kKeys, kWidth>(stage + kPassingElements<kWidth>, keys, args.v,
                          args.aligned);
  CommitCopies();
}

// Of a row that does not exist, they make its weights 0.
__device__ __forceinline__ float2 StatisticsOf(const Backward& args,
                                               int64_t sequence,
                                               const QueryTile& tile, int row) {
  if (row >= tile.count) return make_float2(INFINITY, 0.0f);
  return args.statistics[StatisticsAt(args.shape, sequence, tile.Head(row),
                                      tile.Query(row))];
}

template <int kWidth>
__global__ void __launch_bounds__(kMmaThreads)
    QueryGradientsKernel(Backward args) {
  constexpr int kKeys = kPassing<kWidth>;
  BFloat* queries = SWITCHYARD_DYNAMIC_SHARED(BFloat);
  BFloat* douts = queries + kOwnElements<kWidth>;
  BFloat* stages = douts + kOwnElements<kWidth>;
  const BlockPlace place = PlaceOf(args.shape);
  const QueryTile tile = QueryTileOf(args.shape, place, kMmaRows);
  LoadTile<kMmaRows, kWidth>(queries, tile, args.q, args.aligned);
  LoadTile<kMmaRows, kWidth>(douts, tile, args.dout, args.aligned);
  const int row = Warp() * 16 + Lane() / 4;
  const float2 statistics[2] = {
      StatisticsOf(args, place.sequence, tile, row),
      StatisticsOf(args, place.sequence, tile, row + 8)};
  int64_t key = args.shape.FirstSeen(tile.first_query) / kKeys * kKeys;
  LoadKeys<kWidth>(args, place, key, stages);
  float dq[kWidth / 8][4] = {};
  for (int stage = 0; key <= tile.last_query; key += kKeys, stage ^= 1) {
    WaitForCopies<0>();
    __syncthreads();  // as above
    if (key + kKeys <= tile.last_query) {
      LoadKeys<kWidth>(args, place, key + kKeys,
                       stages + (stage ^ 1) * kStageElements<kWidth>);
    }
    const BFloat* keys = stages + stage * kStageElements<kWidth>;
    float p[kKeys / 8][4], ds[kKeys / 8][4];
    MultiplyTile<kKeys, kWidth>(p, keys, OwnRows<kWidth>{queries});
    MultiplyTile<kKeys, kWidth>(ds, keys + kPassingElements<kWidth>,
                                OwnRows<kWidth>{douts});
    ScaleAndMask<kKeys>(p, args.shape.scale,
                        SeenKeys<kKeys>(args.shape, tile, key));
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        Differentiate(p[n][i], ds[n][i], statistics[i / 2]);
      }
    }
    AddTile<kKeys, kWidth>(dq, ds, keys);
  }
  // Likewise of queries and douts.
  const float scales[2] = {args.shape.scale, args.shape.scale};
  StoreTile<kWidth>(dq, scales, tile, args.dq, args.aligned, queries);
}

bool AllAligned(const AttentionBackwardArgs& args) {
  return RowsAligned(args.q) && RowsAligned(args.k) && RowsAligned(args.v) &&
         RowsAligned(args.dout) && RowsAligned(args.dq) &&
         RowsAligned(args.dk) && RowsAligned(args.dv);
}

}  // namespace

void MmaAttentionBackward(CudaStream& stream, const AttentionBackwardArgs& args,
                          const float2* statistics) {
  const AttentionShape shape =
      ShapeOf(args.q, args.k, args.sequence_length, args.scale, args.window);
  const Backward backward = {shape,
                             RowsOf<BFloat>(args.q),
                             RowsOf<BFloat>(args.k),
                             RowsOf<BFloat>(args.v),
                             RowsOf<BFloat>(args.dout),
                             statistics,
                             MutableRowsOf<BFloat>(args.dq),
                             MutableRowsOf<BFloat>(args.dk),
                             MutableRowsOf<BFloat>(args.dv),
                             AllAligned(args)};
  ForMmaWidth(shape.head_dim, [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    AllowShared(KeyGradientsKernel<kWidth>, kSharedBytes<kWidth>,
                shape.head_dim);
    SWITCHYARD_RUN(KeyGradientsKernel<kWidth>,
                   BlocksFor(shape, shape.length, kMmaRows), dim3(kMmaThreads),
                   kSharedBytes<kWidth>, stream, backward);
    AllowShared(QueryGradientsKernel<kWidth>, kSharedBytes<kWidth>,
                shape.head_dim);
    SWITCHYARD_RUN(QueryGradientsKernel<kWidth>,
                   BlocksFor(shape, shape.length * shape.group, kMmaRows),
                   dim3(kMmaThreads), kSharedBytes<kWidth>, stream, backward);
  });
}

}  // namespace switchyard::kernels::cuda
