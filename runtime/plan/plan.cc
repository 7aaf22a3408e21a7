// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/plan/plan.h"

#include <algorithm>

#include "switchyard/base/check.h"
#include "switchyard/base/dtype.h"

namespace switchyard {
namespace {

constexpr int64_t kFp32Bytes = 4;
constexpr int64_t kGradientBytes = 8;

int64_t CeilingOf(int64_t a, int64_t b) { return (a + b - 1) / b; }

// a·b for estimates: what no machine holds is as good as 10^18 bytes, of which
// several add up without overflow.
int64_t Times(int64_t a, int64_t b) {
  constexpr int64_t kHuge = 1'000'000'000'000'000'000;
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kHuge
                                                : std::min(product, kHuge);
}

int64_t Bytes(DType dtype) { return static_cast<int64_t>(SizeOf(dtype)); }

// Elements of the projections of one layer's attention.
int64_t AttentionParameters(const ModelConfig& m) {
  return m.hidden_size * m.head_dim * (2 * m.heads + 2 * m.kv_heads);
}

// Rows that can meet on one rank in one layer: every token of the group sends
// it as many rows as it has choices and the rank has experts.
int64_t WorstRows(const Plan& plan) {
  const ModelConfig& m = plan.options.model;
  const int64_t choices = std::min(m.experts_per_token, plan.experts_per_rank);
  int64_t rows = plan.micro_batch_positions * choices;
  if (plan.capacity > 0) {
    rows = std::min(rows, plan.capacity * plan.experts_per_rank);
  }
  rows *= plan.layout.expert_parallel;
  const int64_t bound = plan.options.max_rows_per_rank;
  return bound > 0 ? std::min(bound, rows) : rows;
}

void CountRows(Plan* plan) {
  const TrainOptions& o = plan->options;
  const ModelConfig& m = o.model;
  plan->step_tokens = o.global_batch * o.seq_len;
  plan->micro_batches = o.global_batch / o.micro_batch;
  plan->rank_micro_batches = CeilingOf(plan->micro_batches, plan->layout.ranks);
  plan->idle_ranks =
      std::max<int64_t>(0, plan->layout.ranks - plan->micro_batches);
  plan->micro_batch_positions = o.micro_batch * o.seq_len;
  plan->experts_per_rank = m.experts / plan->layout.expert_parallel;
  plan->capacity = ExpertCapacity(o);
  plan->routed_rows = plan->micro_batch_positions * m.experts_per_token;
  plan->routed_rows_worst = WorstRows(*plan);
  plan->segment_rows =
      static_cast<double>(plan->routed_rows) / static_cast<double>(m.experts);
}

// What the backward pass reads of one position and layer: two residual streams
// in two parts each, two normalised inputs, the projections and the context;
// in fp32 the softmax's statistics and the router's.
int64_t PositionBytes(const ModelConfig& m, int64_t bytes) {
  const int64_t elements =
      6 * m.hidden_size + m.head_dim * (2 * m.heads + 2 * m.kv_heads);
  return elements * bytes + kFp32Bytes * (m.heads + 2 * m.experts);
}

// Of one routed row and layer: its input and output, where other ranks are
// involved on both sides of the wire, the expert's two projections and their
// product.
int64_t RowBytes(const ModelConfig& m, int64_t sides, int64_t bytes) {
  return (2 * sides * m.hidden_size + 3 * m.intermediate_size) * bytes;
}

RankMemory CountMemory(const Plan& plan) {
  const TrainOptions& o = plan.options;
  const ModelConfig& m = o.model;
  const int64_t bytes = Bytes(o.dtype);
  const int64_t dense = plan.parameters.dense;
  const int64_t experts = plan.rank_parameters - dense;
  // Experts are sharded over the ranks that own the same ones.
  const int64_t owners = plan.layout.ranks / plan.layout.expert_parallel;
  const int64_t shard =
      CeilingOf(dense, plan.layout.ranks) + CeilingOf(experts, owners);

  RankMemory memory;
  memory.weights = plan.rank_parameters * bytes;
  memory.gradients = plan.rank_parameters * kGradientBytes;
  memory.gradients_fp32 = plan.rank_parameters * kFp32Bytes;
  memory.masters = o.dtype == DType::kBFloat16 ? shard * kFp32Bytes : 0;
  memory.moments = 2 * shard * kFp32Bytes;

  // Layers whose activations are kept, and one more for gradients under way.
  const bool recompute = o.recompute == Recompute::kBlock;
  const int64_t layers = (recompute ? 1 : m.layers) + 1;
  const int64_t kept_inputs = recompute ? 2 * m.layers * m.hidden_size : 0;
  memory.activations = plan.micro_batch_positions *
                       (layers * PositionBytes(m, bytes) + kept_inputs * bytes);
  const int64_t sides = plan.layout.expert_parallel > 1 ? 2 : 1;
  const int64_t row = layers * RowBytes(m, sides, bytes);
  memory.routed = Times(plan.routed_rows, row);
  memory.routed_worst = Times(plan.routed_rows_worst, row);
  return memory;
}

// A product with a weight is one multiplication and one addition an element
// forward, and twice that backward.
TokenFlops CountFlops(const TrainOptions& o, const ParameterCounts& counts) {
  const ModelConfig& m = o.model;
  const int64_t block_passes = o.recompute == Recompute::kBlock ? 4 : 3;
  const int64_t router = m.experts * m.hidden_size;
  TokenFlops flops;
  flops.dense =
      2 * (block_passes * m.layers * (AttentionParameters(m) + router) +
           3 * counts.embedding);
  flops.experts =
      2 * block_passes * m.layers * m.experts_per_token * counts.expert;
  // q·k and p·v over (T + 1) / 2 positions on average.
  flops.attention =
      2 * block_passes * m.layers * m.heads * m.head_dim * (o.seq_len + 1);
  return flops;
}

KvCache CountKvCache(const TrainOptions& o) {
  const int64_t head = 2 * o.model.layers * o.model.head_dim * Bytes(o.dtype);
  return {head * o.model.kv_heads, head * o.model.heads, head};
}

}  // namespace

ParameterCounts CountParameters(const ModelConfig& m) {
  ParameterCounts counts;
  counts.embedding = m.vocabulary * m.hidden_size;
  const int64_t layer =
      AttentionParameters(m) + m.experts * m.hidden_size + 2 * m.hidden_size;
  counts.dense = 2 * counts.embedding + m.layers * layer + m.hidden_size;
  counts.expert = 3 * m.hidden_size * m.intermediate_size;
  counts.experts = m.layers * m.experts * counts.expert;
  counts.total = counts.dense + counts.experts;
  counts.active = counts.dense + m.layers * m.experts_per_token * counts.expert;
  return counts;
}

Plan MakePlan(const TrainOptions& options, const RankLayout& layout) {
  SWITCHYARD_CHECK(layout.ranks % layout.expert_parallel == 0 &&
                   options.model.experts % layout.expert_parallel == 0)
      << layout.ranks << " " << layout.expert_parallel << " "
      << options.model.experts;
  Plan plan;
  plan.options = options;
  plan.layout = layout;
  plan.parameters = CountParameters(options.model);
  plan.rank_parameters =
      plan.parameters.dense + plan.parameters.experts / layout.expert_parallel;
  CountRows(&plan);
  plan.memory = CountMemory(plan);
  plan.flops = CountFlops(options, plan.parameters);
  plan.kv_cache = CountKvCache(options);
  return plan;
}

}  // namespace switchyard
