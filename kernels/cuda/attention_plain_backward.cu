// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Backward attention in fp32, by the same two kernels as on tensor cores, and
// bound as the forward pass is.
#include <cstdint>

#include "switchyard/kernels/cuda/attention_plain.cuh"
#include "switchyard/kernels/cuda/attention_plain.h"

namespace switchyard::kernels::cuda {
namespace {

template <typename T>
struct Backward {
  AttentionShape shape;
  Rows<const T> q, k, v, dout;
  const float2* statistics;
  Rows<T> dq, dk, dv;
};

// Queries and dout, keys and values; p and ds; statistics of queries.
template <int kWidth>
constexpr int kSharedBytes = (4 * kPlainElements<kWidth> + 2 * kWeightElements +
                              2 * kPlainTile) *
                             static_cast<int>(sizeof(float));

// p = 2^(score - logsumexp) where it is seen; ds = p (dp - delta).
__device__ __forceinline__ void Differentiate(float& product, float& dp,
                                              float factor, bool seen,
                                              float2 statistics) {
  product = seen ? exp2f(product * factor - statistics.x) : 0.0f;
  dp = product * (dp - statistics.y);
}

template <int kWidth>
struct SharedTiles {
  float *own, *own_other, *passing, *passing_other, *p, *ds;
  float2* statistics;
};

template <int kWidth>
__device__ __forceinline__ SharedTiles<kWidth> TilesOf(float* shared) {
  constexpr int kTile = kPlainElements<kWidth>;
  float* p = shared + 4 * kTile;
  return {shared,
          shared + kTile,
          shared + 2 * kTile,
          shared + 3 * kTile,
          p,
          p + kWeightElements,
          reinterpret_cast<float2*>(p + 2 * kWeightElements)};
}

// dk and dv of the block's keys by one tile of queries, which is in place.
template <int kWidth>
__device__ __forceinline__ void AddQueries(const AttentionShape& shape,
                                           const SharedTiles<kWidth>& tiles,
                                           int64_t first_key,
                                           int64_t first_query,
                                           PlainSums<kWidth>& dk,
                                           PlainSums<kWidth>& dv) {
  float p[kOwnRows][kOwnColumns], ds[kOwnRows][kOwnColumns];  // rows are keys
  MultiplyPlain<kWidth>(p, tiles.own, tiles.passing);
  MultiplyPlain<kWidth>(ds, tiles.own_other, tiles.passing_other);
  const float factor = shape.scale * kLog2E;
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) {
      const int column = GroupLane() + j * kGroup;
      const bool seen =
          shape.Sees(first_query + column, first_key + FirstOwnRow() + i);
      Differentiate(p[i][j], ds[i][j], factor, seen, tiles.statistics[column]);
    }
  }
  KeepWeights(tiles.p, p);
  KeepWeights(tiles.ds, ds);
  __syncwarp();
  AddPlain<kWidth>(dv, tiles.p, tiles.passing_other);
  AddPlain<kWidth>(dk, tiles.ds, tiles.passing);
}

// The query heads of the group one after the other, each with the tiles of
// queries that see the block's keys.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kPlainThreads, 1)
    KeyGradientsKernel(Backward<T> args) {
  const AttentionShape& shape = args.shape;
  const SharedTiles<kWidth> tiles =
      TilesOf<kWidth>(SWITCHYARD_DYNAMIC_SHARED(float));
  const int head_dim = static_cast<int>(shape.head_dim);
  const BlockPlace place = PlaceOf(shape);
  const int64_t first_key = place.tile * kPlainTile;
  const HeadTile own =
      HeadTileOf(shape, place.sequence, place.kv_head, first_key, kPlainTile);
  LoadPlain<kWidth>(tiles.own, own, args.k, head_dim);
  LoadPlain<kWidth>(tiles.own_other, own, args.v, head_dim);
  const int64_t last = shape.LastSeeing(first_key + kPlainTile - 1);
  PlainSums<kWidth> dk = {}, dv = {};
  for (int64_t g = 0; g < shape.group; ++g) {
    const int64_t head = place.kv_head * shape.group + g;
    for (int64_t query = first_key; query <= last; query += kPlainTile) {
      __syncthreads();  // the last tile's place is free
      const HeadTile queries =
          HeadTileOf(shape, place.sequence, head, query, kPlainTile);
      LoadPlain<kWidth>(tiles.passing, queries, args.q, head_dim);
      LoadPlain<kWidth>(tiles.passing_other, queries, args.dout, head_dim);
      if (threadIdx.x < kPlainTile) {
        tiles.statistics[threadIdx.x] =
            args.statistics[StatisticsAt(shape, place.sequence, head, query) +
                            threadIdx.x];
      }
      __syncthreads();
      AddQueries<kWidth>(shape, tiles, first_key, query, dk, dv);
    }
  }
  StorePlain<kWidth>(dk, shape.scale, own, args.dk, head_dim);
  StorePlain<kWidth>(dv, 1.0f, own, args.dv, head_dim);
}

// dq of the block's queries by one tile of keys, which is in place.
template <int kWidth>
__device__ __forceinline__ void AddKeys(const AttentionShape& shape,
                                        const SharedTiles<kWidth>& tiles,
                                        const QueryTile& own, int64_t first_key,
                                        PlainSums<kWidth>& dq) {
  float p[kOwnRows][kOwnColumns], ds[kOwnRows][kOwnColumns];
  MultiplyPlain<kWidth>(p, tiles.own, tiles.passing);
  MultiplyPlain<kWidth>(ds, tiles.own_other, tiles.passing_other);
  const float factor = shape.scale * kLog2E;
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
    const int row = FirstOwnRow() + i;
    const int64_t query = own.Query(row);
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) {
      const int64_t key = first_key + GroupLane() + j * kGroup;
      Differentiate(p[i][j], ds[i][j], factor, shape.Sees(query, key),
                    tiles.statistics[row]);
    }
  }
  KeepWeights(tiles.ds, ds);
  __syncwarp();
  AddPlain<kWidth>(dq, tiles.ds, tiles.passing);
}

template <int kWidth, typename T>
__global__ void __launch_bounds__(kPlainThreads, 1)
    QueryGradientsKernel(Backward<T> args) {
  const AttentionShape& shape = args.shape;
  const SharedTiles<kWidth> tiles =
      TilesOf<kWidth>(SWITCHYARD_DYNAMIC_SHARED(float));
  const int head_dim = static_cast<int>(shape.head_dim);
  const BlockPlace place = PlaceOf(shape);
  const QueryTile own = QueryTileOf(shape, place, kPlainTile);
  LoadPlain<kWidth>(tiles.own, own, args.q, head_dim);
  LoadPlain<kWidth>(tiles.own_other, own, args.dout, head_dim);
  if (threadIdx.x < kPlainTile) {
    const int row = static_cast<int>(threadIdx.x);
    tiles.statistics[row] =
        row < own.count
            ? args.statistics[StatisticsAt(shape, place.sequence, own.Head(row),
                                           own.Query(row))]
            : make_float2(INFINITY, 0.0f);
  }
  PlainSums<kWidth> dq = {};
  int64_t key = shape.FirstSeen(own.first_query) / kPlainTile * kPlainTile;
  for (; key <= own.last_query; key += kPlainTile) {
    __syncthreads();  // as above
    const HeadTile keys =
        HeadTileOf(shape, place.sequence, place.kv_head, key, kPlainTile);
    LoadPlain<kWidth>(tiles.passing, keys, args.k, head_dim);
    LoadPlain<kWidth>(tiles.passing_other, keys, args.v, head_dim);
    __syncthreads();
    AddKeys<kWidth>(shape, tiles, own, key, dq);
  }
  StorePlain<kWidth>(dq, shape.scale, own, args.dq, head_dim);
}

template <typename T>
void Run(CudaStream& stream, const AttentionBackwardArgs& args,
         const float2* statistics) {
  const AttentionShape shape =
      ShapeOf(args.q, args.k, args.sequence_length, args.scale, args.window);
  const Backward<T> backward = {shape,
                                RowsOf<T>(args.q),
                                RowsOf<T>(args.k),
                                RowsOf<T>(args.v),
                                RowsOf<T>(args.dout),
                                statistics,
                                MutableRowsOf<T>(args.dq),
                                MutableRowsOf<T>(args.dk),
                                MutableRowsOf<T>(args.dv)};
  ForPlainWidth(shape.head_dim, [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    AllowShared(KeyGradientsKernel<kWidth, T>, kSharedBytes<kWidth>,
                shape.head_dim);
    SWITCHYARD_RUN((KeyGradientsKernel<kWidth, T>),
                   BlocksFor(shape, shape.length, kPlainTile),
                   dim3(kPlainThreads), kSharedBytes<kWidth>, stream, backward);
    AllowShared(QueryGradientsKernel<kWidth, T>, kSharedBytes<kWidth>,
                shape.head_dim);
    SWITCHYARD_RUN((QueryGradientsKernel<kWidth, T>),
                   BlocksFor(shape, shape.length * shape.group, kPlainTile),
                   dim3(kPlainThreads), kSharedBytes<kWidth>, stream, backward);
  });
}

}  // namespace

void PlainAttentionBackward(CudaStream& stream,
                            const AttentionBackwardArgs& args,
                            const float2* statistics) {
  ForFloating(args.q.dtype(), [&](auto zero) {
    Run<decltype(zero)>(stream, args, statistics);
  });
}

}  // namespace switchyard::kernels::cuda
