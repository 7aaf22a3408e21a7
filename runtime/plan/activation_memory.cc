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
constexpr int64_t kTensorsOfLayer = 40;
constexpr int64_t kTensorsOfSharedExpert = 8;

Bytes AlignmentBytes(const ModelConfig& m) {
  const int64_t shared = SharedWidth(m) > 0 ? kTensorsOfSharedExpert : 0;
  return Bytes(kAlignment) * (kTensorsOfLayer + shared) * (m.layers + 1);
}

// Of the inner width: projections and the activation of a network, kept for the
// backward pass.
int64_t KeptWidths(const ModelConfig& m) {
  return m.feed_forward.activation.gated ? 3 : 2;
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
        dense_inner(tokens * DenseWidth(o.model) * element),
        shared_inner(tokens * SharedWidth(o.model) * element),
        replayed(o.routing_replay.empty() ? Bytes(0)
                                          : tokens * ExpertLayerCount(o.model) *
                                                o.model.experts_per_token * 4),
        attention_scratch(kernels::AttentionBackwardScratchBytes(
            o.micro_batch * o.seq_len, o.model.heads, o.model.kv_heads,
            o.model.head_dim, o.seq_len)) {}

  Bytes element, tokens;
  Bytes residual;       // [tokens, hidden]
  Bytes wide;           // the same in fp32
  Bytes queries, keys;  // elements of a token
  Bytes segment_rows, buffer_rows;
  Bytes buffer;                     // [buffer rows, hidden]
  Bytes inner;                      // [segment rows, intermediate]
  Bytes dense_inner, shared_inner;  // [tokens, inner width]
  Bytes replayed;  // experts of all layers, int32 [layers · tokens, k]
  Bytes attention_scratch;
};

// The norm of queries and keys: its output, and inverses in fp32.
Bytes QueryKeyNormBytes(const ModelConfig& m, const Sizes& s) {
  if (m.attention.qk_norm == QkNorm::kNone) return 0;
  const int64_t groups =
      m.attention.qk_norm == QkNorm::kHead ? m.heads + m.kv_heads : 2;
  return s.tokens * (s.queries + s.keys) * s.element +
         s.tokens * groups * kFp32Bytes;
}

// Leaves of attention's biases and norms.
Bytes AttentionLeaves(const ModelConfig& m, const Sizes& s) {
  Bytes elements = 0;
  if (m.attention.qkv_bias()) elements += s.queries + 2 * s.keys;
  if (m.attention.output_bias()) elements += m.hidden_size;
  if (m.attention.qk_norm != QkNorm::kNone) elements += s.queries + s.keys;
  return elements * kFp32Bytes;
}

// What a block's backward pass reads, its two outputs apart: the sum and both
// normalised inputs, attention's output, projections and context; in fp32 the
// softmax's statistics and the norms'.
Bytes AttentionBytes(const ModelConfig& m, const Sizes& s) {
  return 4 * s.residual + s.tokens * (2 * s.queries + 2 * s.keys) * s.element +
         s.tokens * kFp32Bytes * (m.heads + 2) + QueryKeyNormBytes(m, s);
}

// And of the experts their rows and results, their projections and the product
// of these; of the shared one its result, projections, product and gate.
Bytes ExpertLayerBytes(const ModelConfig& m, const Sizes& s) {
  const Bytes shared =
      s.residual + s.tokens * kFp32Bytes + KeptWidths(m) * s.shared_inner;
  return AttentionBytes(m, s) + 2 * s.buffer + KeptWidths(m) * s.inner +
         (SharedWidth(m) > 0 ? shared : Bytes(0));
}

Bytes DenseLayerBytes(const ModelConfig& m, const Sizes& s) {
  return AttentionBytes(m, s) + KeptWidths(m) * s.dense_inner;
}

// What it takes besides: the gradients of the experts' rows and results and of
// the product, or before them those of the shared expert; then those of the
// router, of the wider of two logits and inputs.
Bytes MoeBackwardBytes(const TrainOptions& o, const Sizes& s) {
  const ModelConfig& m = o.model;
  const bool narrow = s.element < kFp32Bytes;
  const Bytes logits = s.tokens * m.experts * kFp32Bytes;
  const bool has_shared = SharedWidth(m) > 0;
  const Bytes shared =
      s.buffer + 2 * s.residual + s.tokens * s.element + s.shared_inner;
  const Bytes experts =
      std::max(2 * s.buffer + s.inner, has_shared ? shared : Bytes(0));
  // Jitter makes an input of its own.
  const bool copies = narrow || o.exploration.router_jitter > 0.0;
  const Bytes router = s.wide + (copies ? s.wide : Bytes(0)) +
                       std::max((m.router.noisy_top_k ? 2 : 1) * logits,
                                narrow ? s.residual : Bytes(0));
  // The gates' gradients; of survivors once more, before they were scaled.
  const Bytes gates = s.tokens * m.choices() * kFp32Bytes;
  return (o.overflow.renormalize_survivors ? 2 : 1) * gates +
         (has_shared ? s.residual : Bytes(0)) + std::max(experts, router);
}

// The gradients of input, context and projections, of vectors, and the
// operator's own.
Bytes AttentionBackwardBytes(const ModelConfig& m, const Sizes& s) {
  return s.residual + AttentionLeaves(m, s) +
         s.tokens * (2 * s.queries + 2 * s.keys) * s.element +
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
  const Bytes inner = std::max({s.inner, s.dense_inner, s.shared_inner});
  return std::max({s.wide, s.buffer, 2 * inner, s.attention_scratch, s.replayed,
                   s.tokens * (s.queries + 2 * s.keys) * s.element,
                   AttentionLeaves(m, s), s.tokens * m.experts * kFp32Bytes,
                   HeadLogitBytes(m, s) * kFp32Bytes,
                   Bytes(m.vocabulary) * m.hidden_size * kFp32Bytes}) +
         kAlignment;
}

// What a layer decides about overflow: experts and gates after rerouting, the
// gates of survivors. `choices`: of a tensor [tokens, k].
Bytes PlacedBytes(const OverflowOptions& o, Bytes choices) {
  const int tensors =
      (o.no_token_left_behind > 0 ? 2 : 0) + (o.renormalize_survivors ? 1 : 0);
  return tensors * (choices + kAlignment);
}

// What it needs for that meanwhile: the order of tokens, and where overflow
// goes next.
Bytes PlacingBytes(const OverflowOptions& o, Bytes tokens) {
  const int64_t order = o.drop_policy == DropPolicy::kProbability ? 1 : 0;
  return (order + o.no_token_left_behind) * tokens * 4;
}

// Rows of one token that experts of a rank can get.
int64_t Choices(const ModelConfig& m, int64_t width) {
  return std::min(m.choices(), m.experts / width);
}

// Rows that an expert takes of a micro-batch: where experts choose as many as
// they may, else `capacity`; 0: no limit.
int64_t LimitOfExpert(const TrainOptions& options, int64_t capacity) {
  if (options.model.router.type != RouterType::kExpertChoice) return capacity;
  return ExpertChoiceRows(options.model, options.micro_batch * options.seq_len);
}

// Rows of one rank's tokens; without a capacity.
int64_t AllRows(const TrainOptions& options) {
  const ModelConfig& m = options.model;
  if (m.router.type == RouterType::kExpertChoice) {
    return m.experts * LimitOfExpert(options, 0);
  }
  return options.micro_batch * options.seq_len * m.experts_per_token;
}

// Windows of the balance loss in one step: what one all-reduce may carry.
int64_t CountedWindows(const TrainOptions& options) {
  const int64_t micro_batches = options.global_batch / options.micro_batch;
  const int64_t window = CountedTogether(options.balance, micro_batches);
  return window == 0 ? 0 : micro_batches / window;
}

// On a GPU full segments travel where experts have a capacity
// (moe/token_dispatcher.h): `rows` from every rank to every expert.
RoutedRows FullSegments(const ModelConfig& m, int64_t rows, int64_t width) {
  const int64_t all = m.experts * rows;
  return {all, all - all / width};
}

bool SendsFullSegments(const TrainOptions& options, int64_t capacity) {
  return options.device == DeviceKind::kCuda && capacity > 0;
}

}  // namespace

RoutedRows EvenRows(const TrainOptions& options, int64_t width) {
  const ModelConfig& m = options.model;
  if (SendsFullSegments(options, ExpertCapacity(options))) {
    return FullSegments(m, ExpertCapacity(options), width);
  }
  const int64_t capacity = LimitOfExpert(options, ExpertCapacity(options));
  RoutedRows rows;
  rows.received = AllRows(options);
  if (capacity > 0) {
    rows.received = std::min(rows.received, capacity * m.experts);
  }
  rows.outgoing = rows.received - rows.received / width;
  return rows;
}

RoutedRows WorstRows(const TrainOptions& options, int64_t width) {
  const ModelConfig& m = options.model;
  if (SendsFullSegments(options, MostExpertRows(options))) {
    return FullSegments(m, MostExpertRows(options), width);
  }
  const int64_t tokens = options.micro_batch * options.seq_len;
  const int64_t capacity = LimitOfExpert(options, MostExpertRows(options));
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
  // All rows of the rank's tokens together are tokens · k at most (where
  // experts choose what all of them take): those that
  // stay are among the received ones.
  const int64_t all = AllRows(options);
  rows.outgoing = std::min(all, most + all - of_a_rank - rows.received);
  return rows;
}

ArenaPeak ActivationPeak(const TrainOptions& options, const RoutedRows& rows,
                         int64_t together) {
  const ModelConfig& m = options.model;
  const Sizes s(options, rows);
  const bool recompute = options.recompute == Recompute::kBlock;
  // Ids, labels, valid marks and the last norm's statistics; the embedded
  // tokens, the last sum and its normalised values.
  const Bytes model = s.tokens * (4 + 4 + 1 + kFp32Bytes) + 3 * s.residual;
  // The gradients of the last two, and the last norm's leaf.
  const Bytes gradients = 2 * s.residual + Bytes(m.hidden_size) * kFp32Bytes;
  const Bytes outputs = 2 * s.residual;
  const int64_t expert_layers = ExpertLayerCount(m);
  const int64_t dense_layers = m.layers - expert_layers;
  const Bytes expert_layer = ExpertLayerBytes(m, s);
  const Bytes dense_layer = DenseLayerBytes(m, s);
  const Bytes kept =
      m.layers * outputs +
      (recompute ? Bytes(0)
                 : expert_layers * expert_layer + dense_layers * dense_layer);
  // A block's backward pass: what it makes again, the gradient of the second
  // half's input, and leaves of two norms.
  const auto backward = [&](int64_t layers, Bytes layer, Bytes second_half) {
    if (layers == 0) return Bytes(0);
    const Bytes again = recompute ? outputs + layer : Bytes(0);
    return again + s.residual + Bytes(2 * m.hidden_size) * kFp32Bytes +
           std::max(second_half, AttentionBackwardBytes(m, s));
  };
  const Bytes block = std::max(
      backward(expert_layers, expert_layer, MoeBackwardBytes(options, s)),
      backward(dense_layers, dense_layer, s.dense_inner));
  const Bytes embedding = (s.tokens + m.vocabulary + 1) * 4;
  const Bytes peak =
      together * (model + s.replayed + kept + AlignmentBytes(m)) + gradients +
      std::max({HeadBytes(m, s), block, embedding});
  return {Saturated(peak), Saturated(LargestTensor(m, s))};
}

ArenaPeak DecisionPeak(const TrainOptions& options, int64_t together) {
  const ModelConfig& m = options.model;
  const Bytes tokens = options.micro_batch * options.seq_len;
  const Bytes choices = tokens * m.choices() * 4;
  const Bytes counts = Bytes(m.experts) * 4;
  const Bytes logits = tokens * m.experts * kFp32Bytes;
  const int64_t expert_layers = ExpertLayerCount(m);
  const Bytes sequences = options.balance.scope == BalanceScope::kSequence
                              ? options.micro_batch
                              : int64_t{1};
  // Probabilities, logsumexp, experts, gates and rows; the balance loss's
  // gradient; sigmoids keep the logits as well. And the int64 counts of a
  // window, of which there are at most as many as micro-batches, on all ranks,
  // of one round.
  const bool sigmoid = m.router.scoring == kernels::RouterScoring::kSigmoid;
  // Noise keeps its slopes; before them, the widths come beside the logits.
  const bool noisy = m.router.noisy_top_k;
  // The scores of experts that choose come with a best expert and its gate.
  const Bytes best = m.router.type == RouterType::kExpertChoice
                         ? 2 * tokens * kFp32Bytes
                         : Bytes(0);
  const Bytes layer = logits + tokens * kFp32Bytes + 3 * choices + best +
                      sequences * counts + (sigmoid ? logits : Bytes(0)) +
                      (noisy ? logits : Bytes(0)) +
                      PlacedBytes(options.overflow, choices);
  const Bytes counted = 8 * (Bytes(m.experts) + m.router.device_groups);
  const Bytes windows = expert_layers * CountedWindows(options) * counted;
  // Logits, then positions and what is counted for the plan of the rows; or
  // what a loss without windows counts.
  const Bytes placing = choices + 4 * counts +
                        PlacingBytes(options.overflow, tokens) +
                        (options.overflow.dropless() ? 0 : 3) * counts;
  const Bytes scratch = std::max(
      {(noisy ? 2 : 1) * logits, placing, expert_layers * sequences * counted});
  return {Saturated(together * (expert_layers * layer + AlignmentBytes(m)) +
                    windows + scratch),
          Saturated(std::max({logits, choices, windows,
                              expert_layers * sequences * counted}) +
                    kAlignment)};
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
