// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward attention in fp32: as by tensor cores, with tiles of 32. Bound by
// fused multiply-adds and the shared memory that feeds them.
#include <cstdint>

#include "switchyard/kernels/cuda/attention_plain.cuh"
#include "switchyard/kernels/cuda/attention_plain.h"

namespace switchyard::kernels::cuda {
namespace {

template <typename T>
struct Forward {
  AttentionShape shape;
  Rows<const T> q, k, v;
  Rows<T> out;
  Rows<float> logsumexp;
};

// Queries, keys, values; weights.
template <int kWidth>
constexpr int kSharedBytes = (3 * kPlainElements<kWidth> + kWeightElements) *
                             static_cast<int>(sizeof(float));

// The softmax of a thread's rows so far, in base 2. Every thread of the group
// has the sum of its own columns.
struct Running {
  float max[kOwnRows], sum[kOwnRows];
};

__device__ __forceinline__ float GroupMax(float value) {
#pragma unroll
  for (int distance = kGroup / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}
__device__ __forceinline__ float GroupSum(float value) {
#pragma unroll
  for (int distance = kGroup / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

// Products become weights, and the sums so far are scaled to the new maximum. A
// row that sees nothing in the tile stays as it is, on every bit.
template <int kWidth>
__device__ __forceinline__ void Soften(const AttentionShape& shape,
                                       const QueryTile& tile, int64_t first_key,
                                       float (&scores)[kOwnRows][kOwnColumns],
                                       Running& running,
                                       PlainSums<kWidth>& sums) {
  const float factor = shape.scale * kLog2E;
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
    const int64_t query = tile.Query(FirstOwnRow() + i);
    float max = running.max[i];
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) {
      const int64_t key = first_key + GroupLane() + j * kGroup;
      scores[i][j] = shape.Sees(query, key) ? scores[i][j] * factor : -INFINITY;
      max = fmaxf(max, scores[i][j]);
    }
    max = GroupMax(max);
    const float offset = max == -INFINITY ? 0.0f : max;
    const float rescale = exp2f(running.max[i] - offset);
    running.max[i] = max;
    running.sum[i] *= rescale;
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) {
      scores[i][j] = exp2f(scores[i][j] - offset);
      running.sum[i] += scores[i][j];
    }
#pragma unroll
    for (int j = 0; j < kWidth / kGroup; ++j) sums[i][j] *= rescale;
  }
}

template <int kWidth, typename T>
__device__ __forceinline__ void Finish(const Forward<T>& args,
                                       const QueryTile& tile,
                                       const Running& running,
                                       PlainSums<kWidth>& sums) {
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
    const float sum = GroupSum(running.sum[i]);
#pragma unroll
    for (int j = 0; j < kWidth / kGroup; ++j) sums[i][j] /= sum;
    const int row = FirstOwnRow() + i;
    if (GroupLane() == 0 && row < tile.count) {
      args.logsumexp[tile.first_row + tile.Query(row)][tile.Head(row)] =
          (running.max[i] + log2f(sum)) * kLn2;
    }
  }
  StorePlain<kWidth>(sums, 1.0f, tile, args.out,
                     static_cast<int>(args.shape.head_dim));
}

template <int kWidth, typename T>
__global__ void __launch_bounds__(kPlainThreads, 1)
    ForwardKernel(Forward<T> args) {
  float* queries = SWITCHYARD_DYNAMIC_SHARED(float);
  float* keys = queries + kPlainElements<kWidth>;
  float* values = keys + kPlainElements<kWidth>;
  float* weights = values + kPlainElements<kWidth>;
  const BlockPlace place = PlaceOf(args.shape);
  const QueryTile tile = QueryTileOf(args.shape, place, kPlainTile);
  const int head_dim = static_cast<int>(args.shape.head_dim);
  LoadPlain<kWidth>(queries, tile, args.q, head_dim);
  Running running;
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
    running.max[i] = -INFINITY;
    running.sum[i] = 0.0f;
  }
  PlainSums<kWidth> sums = {};
  int64_t key =
      args.shape.FirstSeen(tile.first_query) / kPlainTile * kPlainTile;
  for (; key <= tile.last_query; key += kPlainTile) {
    __syncthreads();  // the last tile's place is free
    const HeadTile there =
        HeadTileOf(args.shape, place.sequence, place.kv_head, key, kPlainTile);
    LoadPlain<kWidth>(keys, there, args.k, head_dim);
    LoadPlain<kWidth>(values, there, args.v, head_dim);
    __syncthreads();
    float scores[kOwnRows][kOwnColumns];
    MultiplyPlain<kWidth>(scores, queries, keys);
    Soften<kWidth>(args.shape, tile, key, scores, running, sums);
    KeepWeights(weights, scores);
    __syncwarp();
    AddPlain<kWidth>(sums, weights, values);
  }
  Finish<kWidth>(args, tile, running, sums);
}

template <typename T>
void Run(CudaStream& stream, const AttentionArgs& args) {
  const AttentionShape shape =
      ShapeOf(args.q, args.k, args.sequence_length, args.scale, args.window);
  const Forward<T> forward = {shape,
                              RowsOf<T>(args.q),
                              RowsOf<T>(args.k),
                              RowsOf<T>(args.v),
                              MutableRowsOf<T>(args.out),
                              MutableRowsOf<float>(args.logsumexp)};
  ForPlainWidth(shape.head_dim, [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    AllowShared(ForwardKernel<kWidth, T>, kSharedBytes<kWidth>, shape.head_dim);
    SWITCHYARD_RUN((ForwardKernel<kWidth, T>),
                   BlocksFor(shape, shape.length * shape.group, kPlainTile),
                   dim3(kPlainThreads), kSharedBytes<kWidth>, stream, forward);
  });
}

}  // namespace

void PlainAttention(CudaStream& stream, const AttentionArgs& args) {
  ForFloating(args.q.dtype(),
              [&](auto zero) { Run<decltype(zero)>(stream, args); });
}

}  // namespace switchyard::kernels::cuda
