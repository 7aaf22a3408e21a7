// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How attention is cut into tiles of queries and keys. The cuts are part of the
// numerics: constants and the sequence length alone decide them.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_GRID_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_GRID_H_

#include <algorithm>
#include <cstdint>

#include "switchyard/base/tensor_view.h"

namespace switchyard::kernels::cpu {

// Multiples of a block's six rows; keys also of two of the widest vectors.
inline constexpr int64_t kQueryTile = 48;
inline constexpr int64_t kKeyTile = 96;
// Scores of one query: a vector may be stored past the last of them.
inline constexpr int64_t kScoreStride = kKeyTile + 16;

struct AttentionGrid {
  AttentionGrid(const ConstTensorView& q, const ConstTensorView& k,
                int64_t sequence_length)
      : length(sequence_length),
        sequences(q.dim(0) / sequence_length),
        heads(q.dim(1)),
        kv_heads(k.dim(1)),
        head_dim(q.dim(2)),
        width((head_dim + 15) / 16 * 16),
        query_tiles((length + kQueryTile - 1) / kQueryTile),
        key_tiles((length + kKeyTile - 1) / kKeyTile) {}

  int64_t heads_per_kv_head() const { return heads / kv_heads; }
  // Of a tile; the last may be shorter.
  int64_t QueryRows(int64_t tile) const {
    return std::min(kQueryTile, length - tile * kQueryTile);
  }
  int64_t KeyRows(int64_t tile) const {
    return std::min(kKeyTile, length - tile * kKeyTile);
  }
  // The last key tile that a query tile may see, and the first query tile that
  // may see a key tile.
  int64_t LastKeyTile(int64_t query_tile) const {
    return (query_tile * kQueryTile + QueryRows(query_tile) - 1) / kKeyTile;
  }
  int64_t FirstQueryTile(int64_t key_tile) const {
    return key_tile * kKeyTile / kQueryTile;
  }
  // Floats of a packed tile.
  int64_t QueryTileSize() const { return kQueryTile * width; }
  int64_t KeyTileSize() const { return kKeyTile * width; }

  int64_t length, sequences, heads, kv_heads, head_dim;
  int64_t width;  // of a packed row: head_dim, padded with zeros
  int64_t query_tiles, key_tiles;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_GRID_H_
