// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernels of attention know of their operands, and how the work is
// divided: a block owns a tile of one sequence and one key/value head.
#ifndef SWITCHYARD_KERNELS_CUDA_ATTENTION_SHAPE_CUH_
#define SWITCHYARD_KERNELS_CUDA_ATTENTION_SHAPE_CUH_

#include <cstdint>

#include "switchyard/base/check.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/kernels/cuda/elements.cuh"

namespace switchyard::kernels::cuda {

inline constexpr float kLog2E = 1.44269504088896341f;
inline constexpr float kLn2 = 0.69314718055994531f;

struct AttentionShape {
  int64_t sequences = 0;
  int64_t length = 0;  // of a sequence
  int64_t kv_heads = 0;
  int64_t group = 0;  // query heads of a key/value head
  int64_t head_dim = 0;
  int64_t window = 0;  // 1 to length
  float scale = 1.0f;

  __host__ __device__ int64_t heads() const { return kv_heads * group; }
  // The length in whole tiles of any kernel.
  __host__ __device__ int64_t padded_length() const {
    return (length + 63) / 64 * 64;
  }
  // The first position that is seen from position t.
  __device__ int64_t FirstSeen(int64_t t) const {
    return max(int64_t{0}, t - window + 1);
  }
  // The last position that sees position s.
  __device__ int64_t LastSeeing(int64_t s) const {
    return min(length - 1, s + window - 1);
  }
  __device__ bool Sees(int64_t t, int64_t s) const {
    return s <= t && t - s < window;
  }
};

inline AttentionShape ShapeOf(const ConstTensorView& q,
                              const ConstTensorView& k, int64_t length,
                              float scale, int64_t window) {
  const bool all = window == 0 || window > length;
  return {
      q.dim(0) / length,     length, k.dim(1), q.dim(1) / k.dim(1), q.dim(2),
      all ? length : window, scale};
}

// A block's part.
struct BlockPlace {
  int64_t sequence, kv_head, tile;
};

__device__ __forceinline__ BlockPlace PlaceOf(const AttentionShape& shape) {
  const int64_t sharers = shape.sequences * shape.kv_heads;
  const int64_t sharer = blockIdx.x % sharers;
  return {sharer / shape.kv_heads, sharer % shape.kv_heads,
          blockIdx.x / sharers};
}

inline dim3 BlocksFor(const AttentionShape& shape, int64_t rows,
                      int64_t tile_rows) {
  const int64_t tiles = (rows + tile_rows - 1) / tile_rows;
  return dim3(static_cast<unsigned>(tiles * shape.sequences * shape.kv_heads));
}

// A tile whose rows are the pairs (query, head of the group), head by head: so
// all query heads of a group meet the same keys and values. The last tiles come
// first, for their queries see the most.
struct QueryTile {
  int64_t first_row = 0;    // the sequence's, in all tensors
  int64_t first_query = 0;  // of the tile
  int64_t first_head = 0;   // of the group
  int64_t last_query = 0;
  int64_t head_dim = 0;
  unsigned offset = 0;  // of the first row among its query's heads
  unsigned group = 1;
  int count = 0;  // rows that exist

  __device__ int64_t Query(int row) const {
    return first_query + (offset + row) / group;
  }
  __device__ int64_t Head(int row) const {
    return first_head + (offset + row) % group;
  }
  template <typename T>
  __device__ T* Of(const Rows<T>& rows, int row) const {
    return rows[first_row + Query(row)] + Head(row) * head_dim;
  }
};

__device__ __forceinline__ QueryTile QueryTileOf(const AttentionShape& shape,
                                                 const BlockPlace& place,
                                                 int tile_rows) {
  const int64_t pairs = shape.length * shape.group;
  const int64_t tiles = (pairs + tile_rows - 1) / tile_rows;
  const int64_t first = (tiles - 1 - place.tile) * tile_rows;
  const int64_t end = min(first + tile_rows, pairs);
  QueryTile tile;
  tile.first_row = place.sequence * shape.length;
  tile.first_query = first / shape.group;
  tile.first_head = place.kv_head * shape.group;
  tile.last_query = (end - 1) / shape.group;
  tile.head_dim = shape.head_dim;
  tile.offset = static_cast<unsigned>(first % shape.group);
  tile.group = static_cast<unsigned>(shape.group);
  tile.count = static_cast<int>(end - first);
  return tile;
}

// Tiles of consecutive positions of one head.
struct HeadTile {
  int64_t first_row = 0;  // of the tile, in all tensors
  int64_t column = 0;     // the head's first element of a row
  int count = 0;          // rows that exist; more than the tile has, maybe

  template <typename T>
  __device__ T* Of(const Rows<T>& rows, int row) const {
    return rows[first_row + row] + column;
  }
};

__device__ __forceinline__ HeadTile HeadTileOf(const AttentionShape& shape,
                                               int64_t sequence, int64_t head,
                                               int64_t position,
                                               int tile_rows) {
  return {sequence * shape.length + position, head * shape.head_dim,
          static_cast<int>(min(int64_t{tile_rows}, shape.length - position))};
}

// What the backward pass knows of each query: the logsumexp in base 2 and delta
// = dout · out, side by side, in the order [sequence, query head, position].
// Positions from length to padded_length have inf and 0, so that their weights
// are 0.
__device__ __forceinline__ int64_t StatisticsAt(const AttentionShape& shape,
                                                int64_t sequence, int64_t head,
                                                int64_t position) {
  return (sequence * shape.heads() + head) * shape.padded_length() + position;
}

// Kernels with more than 48 KiB of shared memory must say so. GPUs of compute
// capability 8.6, 8.9 and 12.0 have 99 KiB a block, which is too little for
// heads of more than 128.
template <typename Kernel>
void AllowShared(Kernel* kernel, int64_t bytes, int64_t head_dim) {
  int device = 0, most = 0;
  SWITCHYARD_CUDA_CHECK(cudaGetDevice(&device));
  SWITCHYARD_CUDA_CHECK(cudaDeviceGetAttribute(
      &most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  SWITCHYARD_CHECK(bytes <= most)
      << "expected shared memory of " << bytes
      << " bytes a block for a head_dim of " << head_dim << ", found " << most
      << " on this GPU; use --device cpu or a model with smaller heads";
  SWITCHYARD_CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           static_cast<int>(bytes)));
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ATTENTION_SHAPE_CUH_
