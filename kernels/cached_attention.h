// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of new positions over themselves and those before them, whose keys
// and values are in a cache (Shazeer, 1911.02150; grouped queries: Ainslie et
// al., 2305.13245). The formula is kernels/attention.h's; query head h of H
// uses key/value head h / (H/G):
//
//   p = softmax over s <= t of (q_t · k_s) · scale,   out_t = sum_s p_ts v_s
//
// With a sliding window of W, s > t - W too. A cache of C entries rolls: the
// position s lies in entry s % C. C must be at least the positions that a query
// sees of those before it: with a window, W is enough however long a sequence
// gets (Jiang et al., 2310.06825).
//
// Keys and values of the new positions are taken from k and v, not from the
// cache, so that n of them may be attended to at once, also where the cache
// keeps fewer. AppendToCache puts them there afterwards. A row's bits are a
// function of the rows that it sees alone: not of n, C, threads, or of which of
// them are in the cache.
//
// On a GPU head_dim is at most 256, and scratch memory comes from the device's
// pool instead of an arena: 4 (head_dim + 2) bytes for each query head and piece
// of 256 positions, for up to 256 rows at a time.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_CACHED_ATTENTION_H_
#define SWITCHYARD_KERNELS_CACHED_ATTENTION_H_

#include "switchyard/base/arena.h"
#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct CachedAttentionArgs {
  // Row b · n + i is position past + i of sequence b.
  ConstTensorView q;  // [sequences · n, H, head_dim], fp32 or bf16; may be
                      // strided
  ConstTensorView k;  // [sequences · n, G, head_dim], q's dtype, likewise
  ConstTensorView v;  // [sequences · n, G, head_dim], q's dtype, likewise
  // The positions before `past`. Row b · G + g is key/value head g of sequence
  // b; packed.
  ConstTensorView cached_k;  // [sequences · G, capacity, head_dim], q's dtype
  ConstTensorView cached_v;  // likewise
  int64_t sequences = 0;     // divides the rows; 0 only without rows
  int64_t past = 0;          // positions before the new ones
  float scale = 1.0f;        // 1/sqrt(head_dim) in all models here
  TensorView out;            // [sequences · n, H, head_dim], q's dtype
  int64_t window = 0;        // keys that a query sees at most; 0: all
};
// `arena` gives scratch memory that returns when the call's scope ends.
void CachedAttention(Stream& stream, Arena& arena,
                     const CachedAttentionArgs& args);

// Puts the new positions into the cache: all, or the last `capacity` of them.
struct AppendToCacheArgs {
  ConstTensorView k, v;           // as above
  TensorView cached_k, cached_v;  // as above
  int64_t sequences = 0;
  int64_t past = 0;
};
void AppendToCache(Stream& stream, const AppendToCacheArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_CACHED_ATTENTION_H_
