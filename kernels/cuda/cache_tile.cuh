// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the keys and values of positions lie, in a cache or among new rows, and
// tiles of them in shared memory as fp32.
#ifndef SWITCHYARD_KERNELS_CUDA_CACHE_TILE_CUH_
#define SWITCHYARD_KERNELS_CUDA_CACHE_TILE_CUH_

#include <cstdint>

#include "switchyard/kernels/cuda/attention_shape.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kCacheThreads = 128;
inline constexpr int kCacheTile = 32;   // positions, at multiples of it
inline constexpr int64_t kPiece = 256;  // likewise; part of the numerics

struct CacheShape {
  int64_t sequences = 0;
  int64_t new_positions = 0;  // of a sequence
  int64_t past = 0;
  int64_t capacity = 0;
  int64_t kv_heads = 0;
  int64_t group = 0;  // query heads of a key/value head
  int64_t head_dim = 0;
  int64_t window = 0;  // at most the positions that there are

  __host__ __device__ int64_t heads() const { return kv_heads * group; }
};

// There are rows.
inline CacheShape CacheShapeOf(const ConstTensorView& k,
                               const ConstTensorView& cached, int64_t heads,
                               int64_t sequences, int64_t past,
                               int64_t window) {
  CacheShape shape;
  shape.sequences = sequences;
  shape.new_positions = k.dim(0) / sequences;
  shape.past = past;
  shape.capacity = cached.dim(1);
  shape.kv_heads = k.dim(1);
  shape.group = heads / k.dim(1);
  shape.head_dim = k.dim(2);
  const int64_t all = past + shape.new_positions;
  shape.window = window == 0 || window > all ? all : window;
  return shape;
}

// The positions of a row, in pieces.
struct RowPieces {
  int64_t position, first_seen, first_piece, count;
};

__device__ __forceinline__ RowPieces PiecesOf(const CacheShape& shape,
                                              int64_t row) {
  const int64_t position = shape.past + row % shape.new_positions;
  const int64_t first_seen = max(int64_t{0}, position - shape.window + 1);
  const int64_t first_piece = first_seen / kPiece;
  return {position, first_seen, first_piece,
          position / kPiece - first_piece + 1};
}

// Whether accesses of 16 bytes are all of a tensor's heads.
inline bool Vectors(const ConstTensorView& view) {
  const int64_t head = view.dim(2) * static_cast<int64_t>(SizeOf(view.dtype()));
  return RowsAligned(view) && head % kAccessBytes == 0;
}

// Floats from a row of a tile to the next: whole vectors, and four more so that
// rows begin in different banks.
__host__ __device__ constexpr int64_t CacheStride(int64_t head_dim) {
  return (head_dim + 3) / 4 * 4 + 4;
}

// Positions from `first` on, of which those of [begin, end) are wanted.
struct CacheTile {
  int64_t sequence, kv_head, first, begin, end;
};

// 16 bytes of one head.
template <typename T>
union CacheVector {
  uint4 bits;
  T elements[16 / sizeof(T)];
};

// Fills a tile's rows; unwanted ones are zero, and so are the columns behind
// the head. `cached` is the cache's first entry.
template <typename T>
__device__ __forceinline__ void LoadCacheTile(float* tile,
                                              const CacheShape& shape,
                                              const CacheTile& wanted,
                                              const Rows<const T>& fresh,
                                              const T* cached, bool aligned) {
  const int head_dim = static_cast<int>(shape.head_dim);
  const int stride = static_cast<int>(CacheStride(head_dim));
  const int64_t first_entry = wanted.first % shape.capacity;
  const T* cache =
      cached + (wanted.sequence * shape.kv_heads + wanted.kv_head) *
                   shape.capacity * head_dim;
  const auto row_of = [&](int row) -> const T* {
    const int64_t position = wanted.first + row;
    if (position < shape.past) {
      int64_t entry = first_entry + row;
      if (entry >= shape.capacity) entry %= shape.capacity;
      return cache + entry * head_dim;
    }
    return fresh[wanted.sequence * shape.new_positions + position -
                 shape.past] +
           wanted.kv_head * head_dim;
  };
  const auto is_wanted = [&](int row) {
    return wanted.first + row >= wanted.begin &&
           wanted.first + row < wanted.end;
  };
  if (!aligned) {
    const int width = stride - 4;
    for (int i = threadIdx.x; i < kCacheTile * width; i += kCacheThreads) {
      const int row = i / width, column = i % width;
      const bool there = column < head_dim && is_wanted(row);
      tile[row * stride + column] = there ? ToFloat(row_of(row)[column]) : 0.0f;
    }
    return;
  }
  constexpr int kElements = 16 / sizeof(T);
  const int vectors = head_dim / kElements;
  for (int i = threadIdx.x; i < kCacheTile * vectors; i += kCacheThreads) {
    const int row = i / vectors, column = i % vectors * kElements;
    CacheVector<T> vector;
    vector.bits = make_uint4(0, 0, 0, 0);  // zeros of either type
    if (is_wanted(row)) {
      vector.bits = *reinterpret_cast<const uint4*>(row_of(row) + column);
    }
    float* to = tile + row * stride + column;
#pragma unroll
    for (int e = 0; e < kElements; e += 4) {
      *reinterpret_cast<float4*>(to + e) = make_float4(
          ToFloat(vector.elements[e]), ToFloat(vector.elements[e + 1]),
          ToFloat(vector.elements[e + 2]), ToFloat(vector.elements[e + 3]));
    }
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CACHE_TILE_CUH_
