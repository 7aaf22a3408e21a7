// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_BACKWARD_PLAN_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_BACKWARD_PLAN_H_

#include <algorithm>
#include <cstdint>

#include "switchyard/kernels/attention.h"
#include "switchyard/kernels/cpu/attention_grid.h"

namespace switchyard::kernels::cpu {

// Where packed tiles and shares of dq lie in the scratch memory.
struct BackwardPlan {
  explicit BackwardPlan(const AttentionBackwardArgs& args)
      : grid(args.q, args.k, args.sequence_length, args.window) {
    // At most four shares of dq; no chunk is shorter than four tiles.
    chunk_tiles = std::max<int64_t>(4, (grid.key_tiles + 3) / 4);
    chunks = (grid.key_tiles + chunk_tiles - 1) / chunk_tiles;
    key_tile_size = 3 * grid.KeyTileSize();
    query_tile_size = 2 * grid.QueryTileSize() + 2 * kQueryTile;
    key_tiles = grid.sequences * grid.kv_heads * grid.key_tiles;
    query_tiles = grid.sequences * grid.heads * grid.query_tiles;
    queries_begin = key_tiles * key_tile_size;
    shares_begin = queries_begin + query_tiles * query_tile_size;
    size = shares_begin + chunks * query_tiles * grid.QueryTileSize();
  }

  int64_t KeyTileIndex(int64_t sequence, int64_t kv_head, int64_t tile) const {
    return (sequence * grid.kv_heads + kv_head) * grid.key_tiles + tile;
  }
  int64_t QueryTileIndex(int64_t sequence, int64_t head, int64_t tile) const {
    return (sequence * grid.heads + head) * grid.query_tiles + tile;
  }
  // Transposed keys, transposed values, rows of keys: three key tiles.
  float* KeyTile(float* scratch, int64_t index) const {
    return scratch + index * key_tile_size;
  }
  // Rows of q, rows of dout: two query tiles; then log2 of the sum, and delta:
  // [kQueryTile] each.
  float* QueryTile(float* scratch, int64_t index) const {
    return scratch + queries_begin + index * query_tile_size;
  }
  // dq / scale from the keys of one chunk.
  float* Share(float* scratch, int64_t chunk, int64_t index) const {
    return scratch + shares_begin +
           (chunk * query_tiles + index) * grid.QueryTileSize();
  }

  AttentionGrid grid;
  int64_t chunk_tiles, chunks;
  int64_t key_tile_size, query_tile_size;  // floats
  int64_t key_tiles, query_tiles;          // of all sequences and heads
  int64_t queries_begin, shares_begin, size;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_BACKWARD_PLAN_H_
