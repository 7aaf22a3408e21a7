// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of bf16 in shared memory and their products by tensor cores. A tile has
// kWidth columns (a head) and a gap of 16 bytes between rows: the eight rows of
// an 8 x 8 matrix then lie in different banks. A warp owns 16 rows of a
// product.
#ifndef SWITCHYARD_KERNELS_CUDA_ATTENTION_MMA_CUH_
#define SWITCHYARD_KERNELS_CUDA_ATTENTION_MMA_CUH_

#include "switchyard/kernels/cuda/attention_shape.cuh"
#include "switchyard/kernels/cuda/mma_ops.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kMmaWarps = 4;
inline constexpr int kMmaThreads = kMmaWarps * kWarp;
inline constexpr int kMmaRows = kMmaWarps * 16;  // of a block's own tile

template <int kWidth>
inline constexpr int kTileStride = kWidth + 8;

// Begins to load rows of `place` into a tile; rows that do not exist are zero.
// Without `aligned` (all rows at multiples of 16 bytes) element by element.
template <int kRows, int kWidth, typename Place>
__device__ __forceinline__ void LoadTile(BFloat* tile, const Place& place,
                                         const Rows<const BFloat>& rows,
                                         bool aligned) {
  constexpr int kChunks = kWidth / 8;
#pragma unroll 4
  for (int i = threadIdx.x; i < kRows * kChunks; i += kMmaThreads) {
    const int row = i / kChunks, column = i % kChunks * 8;
    const bool there = row < place.count;
    const BFloat* from = place.Of(rows, there ? row : 0) + column;
    BFloat* to = tile + row * kTileStride<kWidth> + column;
    if (aligned) {
      CopyAsync(to, from, there);
    } else {
      for (int e = 0; e < 8; ++e) {
        to[e] = there ? from[e] : FromFloat<BFloat>(0.0f);
      }
    }
  }
}

// The A operand of 16 rows of a tile and 16 columns from `column`.
template <int kWidth>
__device__ __forceinline__ void LoadA(uint32_t (&a)[4], const BFloat* rows,
                                      int column) {
  const int lane = Lane();
  LoadMatrices(a,
               rows + lane % 16 * kTileStride<kWidth> + column + lane / 16 * 8);
}

// products[n] = A · tileᵀ for the tile's rows 8 n to 8 n + 7; load_a(a, column)
// gives A's columns.
template <int kColumns, int kWidth, typename Load>
__device__ __forceinline__ void MultiplyTile(float (&products)[kColumns / 8][4],
                                             const BFloat* tile,
                                             const Load& load_a) {
  const int lane = Lane();
  const BFloat* lane_row = tile +
                           (lane / 16 * 8 + lane % 8) * kTileStride<kWidth> +
                           lane / 8 % 2 * 8;
#pragma unroll
  for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) products[n][i] = 0.0f;
  }
#pragma unroll
  for (int column = 0; column < kWidth; column += 16) {
    uint32_t a[4];
    load_a(a, column);
#pragma unroll
    for (int n = 0; n < kColumns / 8; n += 2) {
      uint32_t b[4];
      LoadMatrices(b, lane_row + n * 8 * kTileStride<kWidth> + column);
      MultiplyAdd(products[n], a, b[0], b[1]);
      MultiplyAdd(products[n + 1], a, b[2], b[3]);
    }
  }
}

// The columns of a product that a lane's two rows see, from the lane's first.
struct SeenColumns {
  int first[2], last[2];
  bool all;  // every row of the block sees all
};

// Products become scores in base 2, those of unseen columns -inf.
template <int kColumns>
__device__ __forceinline__ void ScaleAndMask(float (&products)[kColumns / 8][4],
                                             float scale,
                                             const SeenColumns& seen) {
  const float factor = scale * kLog2E;
#pragma unroll
  for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) products[n][i] *= factor;
  }
  if (seen.all) return;
#pragma unroll
  for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int column = n * 8 + i % 2;
      if (column < seen.first[i / 2] || column > seen.last[i / 2]) {
        products[n][i] = -INFINITY;
      }
    }
  }
}

// The keys of a tile that queries see.
template <int kKeys>
__device__ __forceinline__ SeenColumns SeenKeys(const AttentionShape& shape,
                                                const QueryTile& tile,
                                                int64_t first_key) {
  SeenColumns seen;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int row = Warp() * 16 + Lane() / 4 + 8 * i;
    const int64_t last = tile.Query(row) - first_key - Lane() % 4 * 2;
    seen.last[i] = static_cast<int>(min(last, int64_t{kKeys}));
    seen.first[i] = static_cast<int>(
        min(max(last - shape.window + 1, int64_t{0}), int64_t{kKeys}));
  }
  seen.all = first_key + kKeys - 1 <= tile.first_query &&
             tile.last_query - first_key < shape.window;
  return seen;
}

// The queries from `first_query`, of a tile, that see the keys from
// `first_key`, which are the block's own rows.
template <int kQueries>
__device__ __forceinline__ SeenColumns SeeingQueries(
    const AttentionShape& shape, int64_t first_key, int64_t first_query) {
  SeenColumns seen;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int row = Warp() * 16 + Lane() / 4 + 8 * i;
    const int64_t first = first_key + row - first_query - Lane() % 4 * 2;
    seen.first[i] = static_cast<int>(max(first, int64_t{0}));
    seen.last[i] = static_cast<int>(
        min(max(first + shape.window - 1, int64_t{-1}), int64_t{kQueries}));
  }
  seen.all = first_key + kMmaRows - 1 <= first_query &&
             first_query + kQueries - 1 - first_key < shape.window;
  return seen;
}

__device__ __forceinline__ uint32_t RoundedPair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof(bits));
  return bits;
}

// sums += weights · tile, with the weights, laid out as products, rounded to
// bf16: a lane's share of two products is its share of an A operand.
template <int kColumns, int kWidth>
__device__ __forceinline__ void AddTile(float (&sums)[kWidth / 8][4],
                                        const float (&weights)[kColumns / 8][4],
                                        const BFloat* tile) {
  const int lane = Lane();
  const BFloat* lane_row =
      tile + lane % 16 * kTileStride<kWidth> + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < kColumns / 16; ++k) {
    const float(&left)[4] = weights[2 * k];
    const float(&right)[4] = weights[2 * k + 1];
    const uint32_t a[4] = {
        RoundedPair(left[0], left[1]), RoundedPair(left[2], left[3]),
        RoundedPair(right[0], right[1]), RoundedPair(right[2], right[3])};
#pragma unroll
    for (int n = 0; n < kWidth / 8; n += 2) {
      uint32_t b[4];
      LoadTransposed(b, lane_row + k * 16 * kTileStride<kWidth> + n * 8);
      MultiplyAdd(sums[n], a, b[0], b[1]);
      MultiplyAdd(sums[n + 1], a, b[2], b[3]);
    }
  }
}

// Rounds a block's sums, scaled by a factor for each of a lane's two rows, and
// stores the rows that exist. `tile` is shared memory of which no other warp
// reads this warp's 16 rows any more.
template <int kWidth, typename Place>
__device__ __forceinline__ void StoreTile(const float (&sums)[kWidth / 8][4],
                                          const float (&factors)[2],
                                          const Place& place,
                                          const Rows<BFloat>& rows,
                                          bool aligned, BFloat* tile) {
  const int lane = Lane();
  const int first = Warp() * 16;
#pragma unroll
  for (int n = 0; n < kWidth / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = first + lane / 4 + i / 2 * 8;
      tile[row * kTileStride<kWidth> + n * 8 + lane % 4 * 2 + i % 2] =
          FromFloat<BFloat>(sums[n][i] * factors[i / 2]);
    }
  }
  __syncwarp();  // a warp stores its own rows
  constexpr int kChunks = kWidth / 8;
  for (int i = lane; i < 16 * kChunks; i += kWarp) {
    const int row = first + i / kChunks, column = i % kChunks * 8;
    if (row >= place.count) continue;
    const BFloat* from = tile + row * kTileStride<kWidth> + column;
    BFloat* to = place.Of(rows, row) + column;
    if (aligned) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else {
      for (int e = 0; e < 8; ++e) to[e] = from[e];
    }
  }
}

// function(kWidth as a constant), if tensor cores take this head.
template <typename Function>
void ForMmaWidth(int64_t head_dim, const Function& function) {
  switch (head_dim) {
    case 32:
      return function(std::integral_constant<int, 32>());
    case 64:
      return function(std::integral_constant<int, 64>());
    default:
      return function(std::integral_constant<int, 128>());
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ATTENTION_MMA_CUH_
