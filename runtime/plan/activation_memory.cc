// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/plan/activation_memory.h"

#include <algorithm>

#include "absl/numeric/int128.h"
#include "switchyard/base/dtype.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/kernels/lm_head.h"

namespace switchyard {
namespace {

// No product of valid sizes leaves it.
using Bytes = absl::int128;

constexpr int64_t kFp32Bytes = 4;
constexpr int64_t kMostBytes = 1'000'000'000'000'000'000;

int64_t Saturated(Bytes bytes) {
  return static_cast<int64_t>(std::min(bytes, Bytes(kMostBytes)));
}

// Every tensor begins at a multiple of 64 bytes: so many of each layer and of
// the rest of the model may lose what that takes.
constexpr int64_t kAlignment = 64;
constexpr int64_t kTensorsOfLayer = 32;

Bytes AlignmentBytes(const ModelConfig& m) {
  return Bytes(kAlignment) * kTensorsOfLayer * (m.layers + 1);
}

// Sizes that the formulas below share.
struct Sizes {
  Sizes(const TrainOptions& o, const RoutedRows& rows)
      : element(static_cast<int64_t>(SizeOf(o.dtype))),
        tokens(o.micro_batch * o.seq_len),
        residual(tokens * o.model.hidden_size * element),
        wide(tokens * o.model.hidden_size * kFp32Bytes),
        queries(o.model.heads * o.model.head_dim),
        keys(o.model.kv_heads * o.model.head_dim),
        segment_rows(rows.received + rows.received / 16 + 7 * o.model.experts),
        buffer_rows(segment_rows + rows.outgoing),
        buffer(buffer_rows * o.model.hidden_size * element),
        inner(segment_rows * o.model.intermediate_size * element),
        replayed(o.routing_replay.empty()
                     ? Bytes(0)
                     : tokens * o.model.layers * o.model.experts_per_token * 4),
        attention_scratch(kernels::AttentionBackwardScratchBytes(
            o.micro_batch * o.seq_len, o.model.heads, o.model.kv_heads,
            o.model.head_dim, o.seq_len)) {}

  Bytes element, tokens;
  Bytes residual;       // [tokens, hidden]
  Bytes wide;           // the same in fp32
  Bytes queries, keys;  // elements of a token
  Bytes segment_rows, buffer_rows;
  Bytes buffer;    // [buffer rows, hidden]
  Bytes inner;     // [segment rows, intermediate]
  Bytes replayed;  // experts of all layers, int32 [layers · tokens, k]
  Bytes attention_scratch;
};

// What a block's backward pass reads, its two outputs apart: the sum and both
// normalised inputs, attention's output, projections and context, the experts'
// rows and results, their two projections and the product of these; in fp32 the
// softmax's statistics and the norms'.
Bytes LayerBytes(const ModelConfig& m, const Sizes& s) {
  return 4 * s.residual + s.tokens * (2 * s.queries + 2 * s.keys) * s.element +
         s.tokens * kFp32Bytes * (m.heads + 2) + 2 * s.buffer + 3 * s.inner;
}

// What it takes besides: the gradients of the experts' rows and results and of
// the product; then those of the router, of the wider of two logits and inputs.
Bytes MoeBackwardBytes(const ModelConfig& m, const Sizes& s) {
  const bool narrow = s.element < kFp32Bytes;
  const Bytes logits = s.tokens * m.experts * kFp32Bytes;
  const Bytes experts = 2 * s.buffer + s.inner;
  const Bytes router = s.wide + (narrow ? s.wide : Bytes(0)) +
                       std::max(logits, narrow ? s.residual : Bytes(0));
  return s.tokens * m.experts_per_token * kFp32Bytes +
         std::max(experts, router);
}

// The gradients of input, context and projections, and the operator's own.
Bytes AttentionBackwardBytes(const Sizes& s) {
  return s.residual + s.tokens * (2 * s.queries + 2 * s.keys) * s.element +
         s.attention_scratch;
}

Bytes HeadLogitBytes(const ModelConfig& m, const Sizes& s) {
  return std::min(s.tokens, Bytes(kernels::kLmHeadChunk)) * m.vocabulary;
}

// Losses of tokens, logits of a chunk (in bf16 once more, rounded), the leaf.
Bytes HeadBytes(const ModelConfig& m, const Sizes& s) {
  const Bytes rounded = s.element < kFp32Bytes ? s.element : Bytes(0);
  return s.tokens * 8 + HeadLogitBytes(m, s) * (kFp32Bytes + rounded) +
         Bytes(m.vocabulary) * m.hidden_size * kFp32Bytes;
}

Bytes LargestTensor(const ModelConfig& m, const Sizes& s) {
  return std::max({s.wide, s.buffer, 2 * s.inner, s.attention_scratch,
                   s.replayed, s.tokens * (s.queries + 2 * s.keys) * s.element,
                   s.tokens * m.experts * kFp32Bytes,
                   HeadLogitBytes(m, s) * kFp32Bytes,
                   Bytes(m.vocabulary) * m.hidden_size * kFp32Bytes}) +
         kAlignment;
}

// Rows of one token that experts of a rank can get.
int64_t Choices(const ModelConfig& m, int64_t width) {
  return std::min(m.experts_per_token, m.experts / width);
}

}  // namespace

RoutedRows EvenRows(const TrainOptions& options, int64_t width) {
  const ModelConfig& m = options.model;
  const int64_t capacity = ExpertCapacity(options);
  RoutedRows rows;
  rows.received = options.micro_batch * options.seq_len * m.experts_per_token;
  if (capacity > 0) {
    rows.received = std::min(rows.received, capacity * m.experts);
  }
  rows.outgoing = rows.received - rows.received / width;
  return rows;
}

RoutedRows WorstRows(const TrainOptions& options, int64_t width) {
  const ModelConfig& m = options.model;
  const int64_t tokens = options.micro_batch * options.seq_len;
  const int64_t capacity = ExpertCapacity(options);
  const int64_t choices = Choices(m, width);
  int64_t of_a_rank = tokens * choices;
  if (capacity > 0) {
    of_a_rank = std::min(of_a_rank, capacity * (m.experts / width));
  }
  const int64_t most = of_a_rank * width;
  RoutedRows rows;
  rows.received = most;
  if (options.max_rows_per_rank > 0) {
    rows.received = std::min(most, options.max_rows_per_rank);
  }
  if (width == 1) return rows;
  // All rows of the rank's tokens together are tokens · k at most: those that
  // stay are among the received ones.
  const int64_t all = tokens * m.experts_per_token;
  rows.outgoing = std::min(all, most + all - of_a_rank - rows.received);
  return rows;
}

ArenaPeak ActivationPeak(const TrainOptions& options, const RoutedRows& rows) {
  const ModelConfig& m = options.model;
  const Sizes s(options, rows);
  const bool recompute = options.recompute == Recompute::kBlock;
  // Ids, labels, valid marks and the last norm's statistics; the embedded
  // tokens, the last sum, its normalised values, and the gradients of both.
  const Bytes model = s.tokens * (4 + 4 + 1 + kFp32Bytes) + 5 * s.residual +
                      Bytes(m.hidden_size) * kFp32Bytes;
  const Bytes outputs = 2 * s.residual;
  const Bytes layer = LayerBytes(m, s);
  const Bytes kept = m.layers * (recompute ? outputs : outputs + layer);
  // A block's backward pass: what it makes again, the gradient of the experts'
  // input, and leaves of two norms.
  const Bytes again = recompute ? outputs + layer : Bytes(0);
  const Bytes block =
      again + s.residual + Bytes(2 * m.hidden_size) * kFp32Bytes +
      std::max(MoeBackwardBytes(m, s), AttentionBackwardBytes(s));
  const Bytes embedding = (s.tokens + m.vocabulary + 1) * 4;
  const Bytes peak = model + s.replayed + kept +
                     std::max({HeadBytes(m, s), block, embedding}) +
                     AlignmentBytes(m);
  return {Saturated(peak), Saturated(LargestTensor(m, s))};
}

ArenaPeak DecisionPeak(const TrainOptions& options) {
  const ModelConfig& m = options.model;
  const Bytes tokens = options.micro_batch * options.seq_len;
  const Bytes choices = tokens * m.experts_per_token * 4;
  const Bytes counts = Bytes(m.experts) * 4;
  const Bytes logits = tokens * m.experts * kFp32Bytes;
  // Probabilities, logsumexp, experts, gates and rows; the balance loss's
  // gradient.
  const Bytes layer = logits + tokens * kFp32Bytes + 3 * choices + counts;
  // Logits, then positions and what is counted for the plan of the rows.
  const Bytes scratch = std::max(logits, choices + 4 * counts);
  return {Saturated(m.layers * layer + scratch + AlignmentBytes(m)),
          Saturated(std::max(logits, choices) + kAlignment)};
}

// A block is added when a tensor fits nowhere, at least as large as all blocks
// before it, and the micro-batch's end makes one of them all. So with m blocks
// the arena has first · 2^(m-1) at least, and less than the peak and what was
// left over at the ends of m - 1 blocks, each less than a tensor; adding one
// more at most doubles that.
int64_t MostReserved(int64_t first, const ArenaPeak& worst) {
  if (worst.bytes <= first) return first;
  Bytes blocks = first, full = worst.bytes;
  while (2 * blocks < full + worst.largest) {
    blocks *= 2;
    full += worst.largest;
  }
  return Saturated(2 * full);
}

}  // namespace switchyard
