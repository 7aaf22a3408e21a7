// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by reading keys and values, which a block reads once for the query
// heads that share them. A block takes one row and the positions of one piece,
// so that a long cache is read by many; pieces lie at the same positions
// whoever asks, and their softmaxes are joined in the order of positions (as in
// Flash-Decoding, Dao et al., 2023).
#include <algorithm>
#include <cstdint>

#include "switchyard/base/check.h"
#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/attention_plain.h"
#include "switchyard/kernels/cuda/cache_tile.cuh"
#include "switchyard/kernels/cuda/cached_attention.h"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int64_t kRowsAtOnce = 256;  // which bounds the scratch memory
constexpr int kHeads = 16;            // query heads of a block
constexpr int kWarps = kCacheThreads / kWarp;
constexpr int kHeadsOfWarp = kHeads / kWarps;

template <typename T>
struct Pieces {
  CacheShape shape;
  Rows<const T> q, k, v;
  const T* cached_k;
  const T* cached_v;
  bool aligned;
  float scale;
  Rows<T> out;
  int64_t first_row, rows;  // that are under way
  int64_t pieces;           // at least every row's
  // [rows under way, query heads, pieces]: sums of weighted values, and each
  // softmax's maximum in base 2 and sum.
  float* sums;
  float2* softmax;

  __device__ int64_t PartialAt(int64_t row, int64_t head, int64_t piece) const {
    return ((row - first_row) * shape.heads() + head) * pieces + piece;
  }
};

// What a block keeps in shared memory; rows have `stride` floats.
struct SharedParts {
  float *queries, *sums, *keys, *values, *weights;
};

int64_t SharedBytes(int64_t head_dim) {
  return ((2 * kHeads + 2 * kCacheTile) * CacheStride(head_dim) +
          kHeads * kCacheTile) *
         static_cast<int64_t>(sizeof(float));
}

__device__ __forceinline__ SharedParts PartsOf(float* shared, int stride) {
  float* sums = shared + kHeads * stride;
  float* keys = sums + kHeads * stride;
  float* values = keys + kCacheTile * stride;
  return {shared, sums, keys, values, values + kCacheTile * stride};
}

// q_h · k of the lane's key, in base 2.
__device__ __forceinline__ float Score(const float* query, const float* key,
                                       int stride) {
  float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  for (int i = 0; i < stride - 4; i += 4) {
    const float4 a = *reinterpret_cast<const float4*>(query + i);
    const float4 b = *reinterpret_cast<const float4*>(key + i);
    sum.x = fmaf(a.x, b.x, sum.x);
    sum.y = fmaf(a.y, b.y, sum.y);
    sum.z = fmaf(a.z, b.z, sum.z);
    sum.w = fmaf(a.w, b.w, sum.w);
  }
  return (sum.x + sum.y) + (sum.z + sum.w);
}

// One head of a warp meets the tile that is in place. `running` is the maximum
// and the lane's sum so far.
__device__ __forceinline__ void AddTile(const SharedParts& parts, int head,
                                        bool seen, int stride, int head_dim,
                                        float2& running) {
  const float* query = parts.queries + head * stride;
  const float score =
      seen ? Score(query, parts.keys + Lane() * stride, stride) : -INFINITY;
  const float max = fmaxf(running.x, WarpMax(score));
  const float offset = max == -INFINITY ? 0.0f : max;
  const float rescale = exp2f(running.x - offset);
  const float weight = exp2f(score - offset);
  running = make_float2(max, running.y * rescale + weight);
  float* weights = parts.weights + head * kCacheTile;
  weights[Lane()] = weight;
  __syncwarp();
  for (int i = Lane(); i < head_dim; i += kWarp) {
    float sum = parts.sums[head * stride + i] * rescale;
#pragma unroll 8
    for (int j = 0; j < kCacheTile; ++j) {
      sum = fmaf(weights[j], parts.values[j * stride + i], sum);
    }
    parts.sums[head * stride + i] = sum;
  }
}

// The queries of a block's heads, scaled for base 2, and no sums yet. A warp's
// lanes meet no others' sums.
template <typename T>
__device__ __forceinline__ void Begin(const Pieces<T>& args,
                                      const SharedParts& parts, int64_t row,
                                      int64_t first_head, int heads,
                                      int stride) {
  const int head_dim = static_cast<int>(args.shape.head_dim);
  const float factor = args.scale * kLog2E;
  for (int head = Warp(); head < heads; head += kWarps) {
    const T* query = args.q[row] + (first_head + head) * head_dim;
    for (int i = Lane(); i < stride; i += kWarp) {
      parts.queries[head * stride + i] =
          i < head_dim ? ToFloat(query[i]) * factor : 0.0f;
      parts.sums[head * stride + i] = 0.0f;
    }
  }
}

template <typename T>
__device__ __forceinline__ void KeepPartial(const Pieces<T>& args,
                                            const float* sums, int64_t at,
                                            float2 running) {
  const float sum = WarpSum(running.y);
  if (Lane() == 0) args.softmax[at] = make_float2(running.x, sum);
  for (int64_t i = Lane(); i < args.shape.head_dim; i += kWarp) {
    args.sums[at * args.shape.head_dim + i] = sums[i];
  }
}

template <typename T>
__global__ void __launch_bounds__(kCacheThreads) PieceKernel(Pieces<T> args) {
  const CacheShape& shape = args.shape;
  const int64_t piece = blockIdx.x % args.pieces;
  const int64_t chunks = (shape.group + kHeads - 1) / kHeads;
  const int64_t chunk = blockIdx.x / args.pieces % chunks;
  const int64_t kv_head = blockIdx.x / args.pieces / chunks % shape.kv_heads;
  const int64_t row =
      args.first_row + blockIdx.x / args.pieces / chunks / shape.kv_heads;
  const RowPieces pieces = PiecesOf(shape, row);
  if (piece >= pieces.count) return;  // the whole block
  const int64_t first_head = kv_head * shape.group + chunk * kHeads;
  const int heads =
      static_cast<int>(min(int64_t{kHeads}, shape.group - chunk * kHeads));
  const int stride = static_cast<int>(CacheStride(shape.head_dim));
  const int head_dim = static_cast<int>(shape.head_dim);
  const SharedParts parts = PartsOf(SWITCHYARD_DYNAMIC_SHARED(float), stride);
  Begin(args, parts, row, first_head, heads, stride);
  const int64_t piece_begin = (pieces.first_piece + piece) * kPiece;
  const int64_t end = min(piece_begin + kPiece, pieces.position + 1);
  const int64_t begin = max(piece_begin, pieces.first_seen);
  const int64_t sequence = row / shape.new_positions;
  float2 running[kHeadsOfWarp];
#pragma unroll
  for (int i = 0; i < kHeadsOfWarp; ++i) {
    running[i] = make_float2(-INFINITY, 0.0f);
  }
  for (int64_t first = begin / kCacheTile * kCacheTile; first < end;
       first += kCacheTile) {
    const CacheTile tile = {sequence, kv_head, first, begin, end};
    __syncthreads();  // the last tile's place is free
    LoadCacheTile(parts.keys, shape, tile, args.k, args.cached_k, args.aligned);
    LoadCacheTile(parts.values, shape, tile, args.v, args.cached_v,
                  args.aligned);
    __syncthreads();
    const bool seen = first + Lane() >= begin && first + Lane() < end;
#pragma unroll
    for (int i = 0; i < kHeadsOfWarp; ++i) {
      const int head = Warp() + i * kWarps;
      if (head >= heads) break;  // the whole warp
      AddTile(parts, head, seen, stride, head_dim, running[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < kHeadsOfWarp; ++i) {
    const int head = Warp() + i * kWarps;
    if (head >= heads) break;  // likewise
    KeepPartial(args, parts.sums + head * stride,
                args.PartialAt(row, first_head + head, piece), running[i]);
  }
}

// A warp for each row and query head.
template <typename T>
__global__ void __launch_bounds__(kCacheThreads) JoinKernel(Pieces<T> args) {
  const CacheShape& shape = args.shape;
  const int64_t index = int64_t{blockIdx.x} * WarpCount() + Warp();
  if (index >= args.rows * shape.heads()) return;
  const int64_t row = args.first_row + index / shape.heads();
  const int64_t head = index % shape.heads();
  const int64_t count = PiecesOf(shape, row).count;
  const int64_t first = args.PartialAt(row, head, 0);
  const float2* softmax = args.softmax + first;
  float max = -INFINITY;
  for (int64_t b = 0; b < count; ++b) max = fmaxf(max, softmax[b].x);
  float weights = 0.0f;
  constexpr int kColumns = kMaxHeadDim / kWarp;  // of a lane
  float sums[kColumns] = {};
  for (int64_t b = 0; b < count; ++b) {
    const float factor = exp2f(softmax[b].x - max);
    weights = fmaf(factor, softmax[b].y, weights);
    const float* partial = args.sums + (first + b) * shape.head_dim;
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {
      const int column = Lane() + i * kWarp;
      if (column < shape.head_dim) {
        sums[i] = fmaf(factor, partial[column], sums[i]);
      }
    }
  }
  T* out = args.out[row] + head * shape.head_dim;
#pragma unroll
  for (int i = 0; i < kColumns; ++i) {
    const int column = Lane() + i * kWarp;
    if (column < shape.head_dim) out[column] = FromFloat<T>(sums[i] / weights);
  }
}

int64_t MostPieces(const CacheShape& shape) {
  const int64_t all = (shape.past + shape.new_positions - 1) / kPiece + 1;
  return std::min(all, (shape.window - 1) / kPiece + 2);
}

template <typename T>
void RunRows(CudaStream& stream, const Pieces<T>& args) {
  const CacheShape& shape = args.shape;
  const int64_t chunks = (shape.group + kHeads - 1) / kHeads;
  const int64_t blocks = args.rows * shape.kv_heads * chunks * args.pieces;
  const int64_t bytes = SharedBytes(shape.head_dim);
  AllowShared(PieceKernel<T>, bytes, shape.head_dim);
  SWITCHYARD_RUN(PieceKernel<T>, dim3(static_cast<unsigned>(blocks)),
                 dim3(kCacheThreads), static_cast<size_t>(bytes), stream, args);
  const int64_t joins = (args.rows * shape.heads() + kWarps - 1) / kWarps;
  SWITCHYARD_RUN(JoinKernel<T>, dim3(static_cast<unsigned>(joins)),
                 dim3(kCacheThreads), 0, stream, args);
}

template <typename T>
void Run(CudaStream& stream, const CachedAttentionArgs& args) {
  const CacheShape shape = CacheShapeOf(args.k, args.cached_k, args.q.dim(1),
                                        args.sequences, args.past, args.window);
  const int64_t all_rows = args.q.dim(0);
  const int64_t pieces = MostPieces(shape);
  const int64_t partials =
      std::min(all_rows, kRowsAtOnce) * shape.heads() * pieces;
  const StreamScratch<float> sums(stream, partials * shape.head_dim);
  const StreamScratch<float2> softmax(stream, partials);
  Pieces<T> run = {shape,
                   RowsOf<T>(args.q),
                   RowsOf<T>(args.k),
                   RowsOf<T>(args.v),
                   static_cast<const T*>(args.cached_k.raw()),
                   static_cast<const T*>(args.cached_v.raw()),
                   Vectors(args.k) && Vectors(args.v) &&
                       Vectors(args.cached_k) && Vectors(args.cached_v),
                   args.scale,
                   MutableRowsOf<T>(args.out),
                   0,
                   0,
                   pieces,
                   sums.data(),
                   softmax.data()};
  for (int64_t row = 0; row < all_rows; row += kRowsAtOnce) {
    run.first_row = row;
    run.rows = std::min(kRowsAtOnce, all_rows - row);
    RunRows(stream, run);
  }
}

}  // namespace

void CachedAttention(Stream& stream, const CachedAttentionArgs& args) {
  SWITCHYARD_CHECK(args.q.dim(2) <= kMaxHeadDim)
      << "expected a head_dim of at most " << kMaxHeadDim << " on a GPU, found "
      << args.q.dim(2);
  if (args.q.element_count() == 0) return;
  ForFloating(args.q.dtype(), [&](auto zero) {
    Run<decltype(zero)>(CudaStreamOf(stream), args);
  });
}

}  // namespace switchyard::kernels::cuda
