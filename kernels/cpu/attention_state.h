// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Working memory of one task of attention, of the thread that runs it.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_STATE_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_STATE_H_

#include "switchyard/kernels/cpu/attention_grid.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

namespace switchyard::kernels::cpu {

// A tile of queries on its way over the keys, one head after the other.
struct QueryState {
  explicit QueryState(const AttentionGrid& grid)
      : queries(ThreadScratch<QueryState, float>(
            (grid.heads_per_kv_head() + 1) * grid.QueryTileSize() +
            kQueryTile * kScoreStride)),
        out(queries + grid.heads_per_kv_head() * grid.QueryTileSize()),
        scores(out + grid.QueryTileSize()) {}

  float* queries;                        // of all heads: tiles
  float* out;                            // [kQueryTile, width], to be divided
                                         // by `sum`
  float* scores;                         // [kQueryTile, kScoreStride]
  alignas(64) float max[kQueryTile];     // of the scores so far
  alignas(64) float sum[kQueryTile];     // of 2^(score - max)
  alignas(64) float factor[kQueryTile];  // from the old max to the new
};

// Sums and scores of the key tile at work.
struct KeyState {
  explicit KeyState(const AttentionGrid& grid)
      : dk(ThreadScratch<KeyState, float>(2 * grid.KeyTileSize() +
                                          2 * kQueryTile * kScoreStride)),
        dv(dk + grid.KeyTileSize()),
        weights(dv + grid.KeyTileSize()),
        dscores(weights + kQueryTile * kScoreStride) {}

  float* dk;       // [kKeyTile, width], without `scale`
  float* dv;       // likewise
  float* weights;  // [kQueryTile, kScoreStride]
  float* dscores;  // likewise
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_STATE_H_
