// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Causal grouped-query attention (Ainslie et al., 2305.13245) in tiles, with
// the running softmax of FlashAttention (Dao et al., 2205.14135): the matrix of
// scores is never in memory. Query head h uses key/value head h / (H/G).
//
//   p = softmax over s <= t of (q_t · k_s) · scale,   out_t = sum_s p_ts v_s
//
// With a sliding window of W (Beltagy et al., 2004.05150; W as in Hugging
// Face's Mistral), s > t - W too: a query sees the last W positions, its own
// among them. Tiles that no query sees are passed over, so that work grows with
// length · W; a window of the sequence's length or more has no effect, on no
// bit.
//
// Rows are sequences one after the other: row b · sequence_length + t. A row is
// a function of the rows that it sees alone, bit for bit, as long as all are
// finite. Any head_dim; multiples of 16 are fastest.
//
// On a GPU head_dim is at most 256. There, bf16 with a head_dim of 32, 64 or 128
// is multiplied by tensor cores, for which p, and ds in the backward pass, are
// rounded to bf16; everything else is fp32 between operands and results, as on
// the CPU. Scratch memory then comes from the device's pool instead of an arena:
// for the backward pass 8 bytes for each sequence, query head and position, with
// positions rounded up to a multiple of 64.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_ATTENTION_H_
#define SWITCHYARD_KERNELS_ATTENTION_H_

#include "switchyard/base/arena.h"
#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct AttentionArgs {
  ConstTensorView q;  // [rows, H, head_dim], fp32 or bf16; may be strided
  ConstTensorView k;  // [rows, G, head_dim], q's dtype, likewise
  ConstTensorView v;  // [rows, G, head_dim], q's dtype, likewise
  int64_t sequence_length = 0;  // divides rows
  float scale = 1.0f;           // 1/sqrt(head_dim) in all models here
  TensorView out;               // [rows, H, head_dim], q's dtype
  TensorView logsumexp;         // fp32 [rows, H]: of the scaled scores
  int64_t window = 0;           // keys that a query sees at most; 0: all
};
// `arena` gives scratch memory that returns when the call's scope ends.
void Attention(Stream& stream, Arena& arena, const AttentionArgs& args);

// Gradients of q, k, v as in FlashAttention, with p = exp(scale · q_t · k_s -
// logsumexp_t) made again and delta_t = dout_t · out_t:
//
//   dv_s = sum_t p_ts dout_t        ds_ts = p_ts (dout_t · v_s - delta_t)
//   dk_s = scale sum_t ds_ts q_t    dq_t  = scale sum_s ds_ts k_s
//
// in fp32, rounded once. dk, dv of a key/value head sum over its query heads in
// ascending order.
struct AttentionBackwardArgs {
  ConstTensorView q, k, v;    // as in the forward pass
  ConstTensorView out;        // likewise
  ConstTensorView logsumexp;  // likewise
  ConstTensorView dout;       // [rows, H, head_dim], q's dtype
  int64_t sequence_length = 0;
  float scale = 1.0f;
  TensorView dq, dk, dv;  // as q, k, v; overwritten; may be strided
  int64_t window = 0;     // as in the forward pass
};

// Bytes that AttentionBackward takes from its arena on the CPU: keys, values,
// queries and their gradients in packed tiles of fp32, and up to four shares of
// dq. A window changes nothing.
int64_t AttentionBackwardScratchBytes(int64_t rows, int64_t heads,
                                      int64_t kv_heads, int64_t head_dim,
                                      int64_t sequence_length);

// `arena` likewise.
void AttentionBackward(Stream& stream, Arena& arena,
                       const AttentionBackwardArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ATTENTION_H_
