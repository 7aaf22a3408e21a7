// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How attention is cut into tiles of queries and keys. The cuts are part of the
// numerics: constants, the sequence length and the window alone decide them.
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
  // `sliding_window` as in AttentionArgs: 0 for none.
  AttentionGrid(const ConstTensorView& q, const ConstTensorView& k,
                int64_t sequence_length, int64_t sliding_window)
      : length(sequence_length),
        window(sliding_window > 0 ? std::min(sliding_window, length) : length),
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
  // The key tiles that a query tile may see, and the query tiles that may see
  // a key tile.
  int64_t FirstKeyTile(int64_t query_tile) const {
    return std::max<int64_t>(0, query_tile * kQueryTile - window + 1) /
           kKeyTile;
  }
  int64_t LastKeyTile(int64_t query_tile) const {
    return (query_tile * kQueryTile + QueryRows(query_tile) - 1) / kKeyTile;
  }
  int64_t FirstQueryTile(int64_t key_tile) const {
    return key_tile * kKeyTile / kQueryTile;
  }
  int64_t LastQueryTile(int64_t key_tile) const {
    const int64_t last_key = key_tile * kKeyTile + KeyRows(key_tile) - 1;
    return std::min(length - 1, last_key + window - 1) / kQueryTile;
  }
  // Floats of a packed tile.
  int64_t QueryTileSize() const { return kQueryTile * width; }
  int64_t KeyTileSize() const { return kKeyTile * width; }

  int64_t length;
  int64_t window;  // keys that a query sees at most: `length` without a window
  int64_t sequences, heads, kv_heads, head_dim;
  int64_t width;  // of a packed row: head_dim, padded with zeros
  int64_t query_tiles, key_tiles;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_GRID_H_
