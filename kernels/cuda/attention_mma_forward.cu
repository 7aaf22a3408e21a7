// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward attention by tensor cores. A block owns 64 rows of queries, whose
// operands stay in registers, and passes over the tiles of 64 keys that they
// see, the next of which arrives while one is worked on. Bound by tensor cores
// and, to the same degree, by the shared memory that feeds them: 16 rows a warp
// read each key and value once.
#include <cstdint>

#include "switchyard/kernels/cuda/attention_mma.cuh"
#include "switchyard/kernels/cuda/attention_mma.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kKeys = 64;  // of a tile; tiles lie at multiples of it
static_assert(kMmaRows <= kKeys, "queries pass through the place of keys");

struct Forward {
  AttentionShape shape;
  Rows<const BFloat> q, k, v;
  Rows<BFloat> out;
  Rows<float> logsumexp;
  bool aligned;
};

template <int kWidth>
constexpr int kTileElements = kKeys* kTileStride<kWidth>;

// Keys and values, twice.
template <int kWidth>
constexpr int kSharedBytes =
    4 * kTileElements<kWidth>* static_cast<int>(sizeof(BFloat));

template <int kWidth>
__device__ __forceinline__ void LoadKeys(const Forward& args,
                                         const BlockPlace& place,
                                         int64_t first_key, BFloat* stage) {
  const HeadTile keys =
      HeadTileOf(args.shape, place.sequence, place.kv_head, first_key, kKeys);
  LoadTile<kKeys, kWidth>(stage, keys, args.k, args.aligned);
  LoadTile<kKeys, kWidth>(stage + kTileElements<kWidth>, keys, args.v,
                          args.aligned);
  CommitCopies();
}

// The softmax of a lane's two rows so far, in base 2. Each of the four lanes
// that share them has the sum of its own columns.
struct Running {
  float max[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0f, 0.0f};
};

__device__ __forceinline__ float MaxOfFourLanes(float value) {
  value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
  return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
}
__device__ __forceinline__ float SumOfFourLanes(float value) {
  value += __shfl_xor_sync(kAllLanes, value, 1);
  return value + __shfl_xor_sync(kAllLanes, value, 2);
}

// Scores become weights, and the sums so far are scaled to the new maximum. A
// row that sees nothing in the tile stays as it is, on every bit.
template <int kWidth>
__device__ __forceinline__ void Soften(float (&scores)[kKeys / 8][4],
                                       Running& running,
                                       float (&sums)[kWidth / 8][4]) {
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    float max = running.max[row];
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
      max = fmaxf(max, fmaxf(scores[n][2 * row], scores[n][2 * row + 1]));
    }
    max = MaxOfFourLanes(max);
    const float offset = max == -INFINITY ? 0.0f : max;
    const float rescale = exp2f(running.max[row] - offset);
    running.max[row] = max;
    float sum = running.sum[row] * rescale;
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 2 * row; i < 2 * row + 2; ++i) {
        scores[n][i] = exp2f(scores[n][i] - offset);
        sum += scores[n][i];
      }
    }
    running.sum[row] = sum;
#pragma unroll
    for (int n = 0; n < kWidth / 8; ++n) {
      sums[n][2 * row] *= rescale;
      sums[n][2 * row + 1] *= rescale;
    }
  }
}

template <int kWidth>
__global__ void __launch_bounds__(kMmaThreads) ForwardKernel(Forward args) {
  BFloat* shared = SWITCHYARD_DYNAMIC_SHARED(BFloat);
  const BlockPlace place = PlaceOf(args.shape);
  const QueryTile tile = QueryTileOf(args.shape, place, kMmaRows);
  constexpr int kStage = 2 * kTileElements<kWidth>;
  // Queries pass through the second stage.
  LoadTile<kMmaRows, kWidth>(shared + kStage, tile, args.q, args.aligned);
  CommitCopies();
  int64_t key = args.shape.FirstSeen(tile.first_query) / kKeys * kKeys;
  LoadKeys<kWidth>(args, place, key, shared);
  WaitForCopies<1>();
  __syncthreads();
  uint32_t queries[kWidth / 16][4];
#pragma unroll
  for (int i = 0; i < kWidth / 16; ++i) {
    LoadA<kWidth>(queries[i],
                  shared + kStage + Warp() * 16 * kTileStride<kWidth>, i * 16);
  }
  Running running;
  float sums[kWidth / 8][4] = {};
  for (int stage = 0; key <= tile.last_query; key += kKeys, stage ^= 1) {
    WaitForCopies<0>();
    __syncthreads();  // this tile is there, and the last one's place is free
    if (key + kKeys <= tile.last_query) {
      LoadKeys<kWidth>(args, place, key + kKeys, shared + (stage ^ 1) * kStage);
    }
    const BFloat* keys = shared + stage * kStage;
    float scores[kKeys / 8][4];
    MultiplyTile<kKeys, kWidth>(scores, keys, [&](uint32_t(&a)[4], int column) {
#pragma unroll
      for (int i = 0; i < 4; ++i) a[i] = queries[column / 16][i];
    });
    ScaleAndMask<kKeys>(scores, args.shape.scale,
                        SeenKeys<kKeys>(args.shape, tile, key));
    Soften<kWidth>(scores, running, sums);
    AddTile<kKeys, kWidth>(sums, scores, keys + kTileElements<kWidth>);
  }
  float factors[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float sum = SumOfFourLanes(running.sum[i]);
    factors[i] = 1.0f / sum;
    const int row = Warp() * 16 + Lane() / 4 + 8 * i;
    if (Lane() % 4 == 0 && row < tile.count) {
      args.logsumexp[tile.first_row + tile.Query(row)][tile.Head(row)] =
          (running.max[i] + log2f(sum)) * kLn2;
    }
  }
  __syncthreads();
  StoreTile<kWidth>(sums, factors, tile, args.out, args.aligned, shared);
}

}  // namespace

void MmaAttention(CudaStream& stream, const AttentionArgs& args) {
  const AttentionShape shape =
      ShapeOf(args.q, args.k, args.sequence_length, args.scale, args.window);
  const Forward forward = {shape,
                           RowsOf<BFloat>(args.q),
                           RowsOf<BFloat>(args.k),
                           RowsOf<BFloat>(args.v),
                           MutableRowsOf<BFloat>(args.out),
                           MutableRowsOf<float>(args.logsumexp),
                           RowsAligned(args.q) && RowsAligned(args.k) &&
                               RowsAligned(args.v) && RowsAligned(args.out)};
  ForMmaWidth(shape.head_dim, [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    AllowShared(ForwardKernel<kWidth>, kSharedBytes<kWidth>, shape.head_dim);
    SWITCHYARD_RUN(ForwardKernel<kWidth>,
                   BlocksFor(shape, shape.length * shape.group, kMmaRows),
                   dim3(kMmaThreads), kSharedBytes<kWidth>, stream, forward);
  });
}

}  // namespace switchyard::kernels::cuda
