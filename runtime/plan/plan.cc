// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/plan/plan.h"

#include <algorithm>

#include "absl/numeric/int128.h"
#include "switchyard/base/check.h"
#include "switchyard/base/dtype.h"
#include "switchyard/runtime/optim/shard_layout.h"
#include "switchyard/runtime/plan/activation_memory.h"

namespace switchyard {
namespace {

constexpr int64_t kFp32Bytes = 4;
constexpr int64_t kGradientBytes = 8;

int64_t CeilingOf(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t Bytes(DType dtype) { return static_cast<int64_t>(SizeOf(dtype)); }

// Elements of the projections of one layer's attention.
int64_t AttentionParameters(const ModelConfig& m) {
  return m.hidden_size * m.head_dim * (2 * m.heads + 2 * m.kv_heads);
}

// Elements of a feed-forward network's matrices.
int64_t NetworkParameters(const ModelConfig& m, int64_t width) {
  const int64_t inner = m.feed_forward.activation.InnerWidth(width);
  return m.hidden_size * (inner + width);
}

// Elements of the largest parameter that is not an expert's.
int64_t LargestDenseParameter(const ModelConfig& m) {
  const int64_t heads = m.heads * m.head_dim;
  int64_t most = std::max(m.vocabulary, heads);
  const int64_t expert_layers = ExpertLayerCount(m);
  if (expert_layers < m.layers) most = std::max(most, DenseWidth(m));
  if (expert_layers > 0) most = std::max(most, SharedWidth(m));
  return most * m.hidden_size;
}

// Elements of its biases and of the norms of queries and keys.
int64_t AttentionVectors(const ModelConfig& m) {
  const int64_t queries = m.heads * m.head_dim;
  const int64_t keys = m.kv_heads * m.head_dim;
  int64_t elements = 0;
  if (m.attention.qkv_bias()) elements += queries + 2 * keys;
  if (m.attention.output_bias()) elements += m.hidden_size;
  if (m.attention.qk_norm == QkNorm::kHead) elements += 2 * m.head_dim;
  if (m.attention.qk_norm == QkNorm::kFull) elements += queries + keys;
  return elements;
}

// Pairs of a position of a sequence and one that it sees.
int64_t VisiblePairs(const TrainOptions& o) {
  const int64_t length = o.seq_len;
  const int64_t given = o.model.attention.window;
  const int64_t window = given > 0 ? std::min(given, length) : length;
  return window * (window + 1) / 2 + (length - window) * window;
}

void CountRows(Plan* plan) {
  const TrainOptions& o = plan->options;
  const ModelConfig& m = o.model;
  plan->step_tokens = o.global_batch * o.seq_len;
  plan->micro_batches = o.global_batch / o.micro_batch;
  plan->rank_micro_batches = CeilingOf(plan->micro_batches, plan->layout.ranks);
  plan->rounds_together =
      RoundsTogether(CountedTogether(o.balance, plan->micro_batches),
                     plan->micro_batches, plan->layout.ranks);
  plan->idle_ranks =
      std::max<int64_t>(0, plan->layout.ranks - plan->micro_batches);
  plan->micro_batch_positions = o.micro_batch * o.seq_len;
  plan->experts_per_rank = m.experts / plan->layout.expert_parallel;
  plan->capacity = ExpertCapacity(o);
  const int64_t width = plan->layout.expert_parallel;
  plan->routed_rows = EvenRows(o, width).received;
  plan->routed_rows_worst = WorstRows(o, width).received;
  plan->segment_rows =
      static_cast<double>(plan->routed_rows) / static_cast<double>(m.experts);
}

// Elements of the optimizer's shards of one rank, by who shares them.
struct Shards {
  int64_t narrow = 0;  // of weights in the run's dtype
  int64_t router = 0;

  int64_t ByteCount(DType dtype) const {
    const int64_t masters = dtype == DType::kBFloat16 ? narrow : 0;
    return kFp32Bytes * (2 * (narrow + router) + masters);
  }
};

// `share` of (elements, largest parameter, ranks) is that of one rank.
template <typename Share>
Shards CountShards(const Plan& plan, const Share& share) {
  const ModelConfig& m = plan.options.model;
  const ParameterCounts& p = plan.parameters;
  const int64_t ranks = plan.layout.ranks;
  // Experts are sharded over the ranks that own the same ones.
  const int64_t owners = ranks / plan.layout.expert_parallel;
  const int64_t experts = plan.rank_parameters - p.dense;
  return {share(p.dense - p.router, LargestDenseParameter(m), ranks) +
              share(experts, m.hidden_size * m.intermediate_size, owners),
          share(p.router, m.experts * m.hidden_size, ranks)};
}

RankMemory CountMemory(const Plan& plan) {
  const TrainOptions& o = plan.options;
  const int64_t router = plan.parameters.router;
  const Shards average = CountShards(
      plan, [](int64_t elements, int64_t /*largest*/, int64_t ranks) {
        return CeilingOf(elements, ranks);
      });
  RankMemory memory;
  const int64_t biases = o.model.router.selection_bias
                             ? ExpertLayerCount(o.model) * o.model.experts
                             : 0;
  memory.weights = (plan.rank_parameters - router) * Bytes(o.dtype) +
                   (router + biases) * kFp32Bytes;
  memory.gradients_int64 = plan.rank_parameters * kGradientBytes;
  memory.gradients_fp32 = plan.rank_parameters * kFp32Bytes;
  memory.gradients =
      SumsFloats(o) ? memory.gradients_fp32 : memory.gradients_int64;
  memory.moments = 2 * kFp32Bytes * (average.narrow + average.router);
  memory.masters = average.ByteCount(o.dtype) - memory.moments;
  if (o.checkpoint_every > 0) {
    memory.snapshot = average.ByteCount(o.dtype) +
                      average.narrow * Bytes(o.dtype) +
                      average.router * kFp32Bytes;
  }

  const int64_t width = plan.layout.expert_parallel;
  const int64_t together = plan.rounds_together;
  const ArenaPeak decisions = DecisionPeak(o, together);
  const ArenaPeak even = ActivationPeak(o, EvenRows(o, width), together);
  const ArenaPeak worst = ActivationPeak(o, WorstRows(o, width), together);
  const int64_t positions = ActivationPeak(o, RoutedRows(), together).bytes;
  memory.activations = positions + decisions.bytes;
  memory.routed = even.bytes - positions;
  memory.routed_worst = worst.bytes - positions;
  // Arenas begin with what an even load needs (train/model_runner.cc).
  memory.growth_worst = MostReserved(even.bytes, worst) - worst.bytes +
                        CountShards(plan, LargestShard).ByteCount(o.dtype) -
                        average.ByteCount(o.dtype);
  return memory;
}

// A product with a weight is one multiplication and one addition an element
// forward, and twice that backward.
TokenFlops CountFlops(const TrainOptions& o, const ParameterCounts& counts) {
  const ModelConfig& m = o.model;
  const int64_t block_passes = o.recompute == Recompute::kBlock ? 4 : 3;
  TokenFlops flops;
  const int64_t blocks = m.layers * AttentionParameters(m) + counts.networks;
  flops.dense =
      2 * (block_passes * blocks + 3 * (counts.router + counts.embedding));
  flops.experts = 2 * block_passes * ExpertLayerCount(m) * m.experts_per_token *
                  counts.expert;
  // q·k and p·v over the positions seen: (T + 1) / 2 on average without a
  // window.
  flops.attention = static_cast<int64_t>(
      absl::int128(4 * block_passes * m.layers * m.heads * m.head_dim) *
      VisiblePairs(o) / o.seq_len);
  return flops;
}

KvCacheBytes CountKvCache(const TrainOptions& o) {
  const int64_t head = 2 * o.model.layers * o.model.head_dim * Bytes(o.dtype);
  return {head * o.model.kv_heads, head * o.model.heads, head,
          o.model.attention.window};
}

}  // namespace

ParameterCounts CountParameters(const ModelConfig& m) {
  ParameterCounts counts;
  counts.embedding = m.vocabulary * m.hidden_size;
  const int64_t expert_layers = ExpertLayerCount(m);
  // A hash has no weight, noise of learned size has one more.
  const int64_t router_weights = m.router.type == RouterType::kHash ? 0
                                 : m.router.noisy_top_k             ? 2
                                                                    : 1;
  counts.router = router_weights * expert_layers * m.experts * m.hidden_size;
  const int64_t gate = m.feed_forward.shared_expert_gate ? m.hidden_size : 0;
  counts.networks =
      (m.layers - expert_layers) * NetworkParameters(m, DenseWidth(m)) +
      expert_layers * (NetworkParameters(m, SharedWidth(m)) + gate);
  const int64_t layer =
      AttentionParameters(m) + AttentionVectors(m) + 2 * m.hidden_size;
  counts.dense = 2 * counts.embedding + counts.router + m.layers * layer +
                 counts.networks + m.hidden_size;
  counts.expert = NetworkParameters(m, m.intermediate_size);
  counts.experts = expert_layers * m.experts * counts.expert;
  counts.total = counts.dense + counts.experts;
  counts.active =
      counts.dense + expert_layers * m.experts_per_token * counts.expert;
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
