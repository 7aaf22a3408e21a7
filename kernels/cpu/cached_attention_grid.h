// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How attention over a cache is cut into pieces: one row, one key/value head
// with all its query heads, and one block of positions, which lies at the same
// positions whoever asks.
#ifndef SWITCHYARD_KERNELS_CPU_CACHED_ATTENTION_GRID_H_
#define SWITCHYARD_KERNELS_CPU_CACHED_ATTENTION_GRID_H_

#include <algorithm>
#include <cstdint>

#include "switchyard/kernels/cached_attention.h"

namespace switchyard::kernels::cpu {

inline constexpr int64_t kCacheBlock = 256;  // positions; part of the numerics
// Rows that are under way at a time, which bounds the scratch memory.
inline constexpr int64_t kCacheRows = 64;

struct CacheGrid {
  explicit CacheGrid(const CachedAttentionArgs& args)
      : rows(args.q.dim(0)),
        new_positions(rows == 0 ? 0 : rows / args.sequences),
        past(args.past),
        capacity(args.cached_k.dim(1)),
        kv_heads(args.k.dim(1)),
        head_dim(args.k.dim(2)),
        group(args.q.dim(1) / kv_heads),
        width((head_dim + 15) / 16 * 16),
        window(args.window) {}

  int64_t Sequence(int64_t row) const { return row / new_positions; }
  int64_t Position(int64_t row) const { return past + row % new_positions; }
  // The first one that is seen from `position`.
  int64_t FirstSeen(int64_t position) const {
    return window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
  }
  int64_t FirstBlock(int64_t row) const {
    return FirstSeen(Position(row)) / kCacheBlock;
  }
  int64_t BlockCount(int64_t row) const {
    return Position(row) / kCacheBlock - FirstBlock(row) + 1;
  }
  // At least every row's.
  int64_t MostBlocks() const {
    const int64_t last = past + std::max<int64_t>(new_positions, 1) - 1;
    const int64_t all = last / kCacheBlock + 1;
    return window > 0 ? std::min(all, (window - 1) / kCacheBlock + 2) : all;
  }
  // Of one piece: the sums of its query heads, then their maxima, then the sums
  // of their weights.
  int64_t PartialSize() const {
    return group * width + (2 * group + 15) / 16 * 16;
  }

  int64_t rows, new_positions, past, capacity, kv_heads, head_dim;
  int64_t group;  // query heads of a key/value head
  int64_t width;  // head_dim in whole vectors of any instruction set
  int64_t window;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_CACHED_ATTENTION_GRID_H_
