// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a run needs, from its options and the number of ranks alone: no data, no
// other ranks, no machine. Counts are exact but where a comment says otherwise.
//
//   SWITCHYARD_ASSIGN_OR_RETURN(const RankLayout layout,
//                               ResolveLayout(options, 64, 8));
//   const Plan plan = MakePlan(options, layout);
//   std::fputs(ToTable(plan).c_str(), stdout);
#ifndef SWITCHYARD_RUNTIME_PLAN_PLAN_H_
#define SWITCHYARD_RUNTIME_PLAN_PLAN_H_

#include <cstdint>
#include <string>

#include "switchyard/runtime/plan/rank_layout.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard {

struct ParameterCounts {
  int64_t embedding = 0;  // vocabulary · hidden; the head has as many
  int64_t dense = 0;      // all but the experts: embedding, head, attention,
                          // routers, norms and networks
  int64_t router = 0;     // of all layers; fp32 whatever the run's dtype
  int64_t networks = 0;   // dense feed-forward networks and shared experts
                          // with their gates, of all layers
  int64_t expert = 0;     // one expert of one layer
  int64_t experts = 0;    // all experts of all layers
  int64_t total = 0;
  int64_t active = 0;  // of one token: dense and its experts
};
ParameterCounts CountParameters(const ModelConfig& model);

// Tensors of one rank: what summary.json's peak_rank_bytes counts. Optimizer
// shards are averages: they are cut in chunks.
struct RankMemory {
  int64_t weights = 0;          // in the run's dtype; the router's fp32
  int64_t gradients = 0;        // sums: one of these
  int64_t gradients_int64 = 0;  // exact
  int64_t gradients_fp32 = 0;   // on a GPU (SumsFloats)
  int64_t masters = 0;          // fp32 copies of bf16 weights, sharded
  int64_t moments = 0;          // AdamW's two, fp32, sharded
  // Of one micro-batch under way, or as many as the balance loss counts
  // together, at the fullest moment
  // (plan/activation_memory.h). Saturated at 10^18.
  int64_t activations = 0;   // of positions
  int64_t routed = 0;        // of routed rows, if the experts share evenly
  int64_t routed_worst = 0;  // if all rows that can meet on one rank do
  // At most, beyond all this: arenas double when they must grow, and the
  // largest optimizer shard is above the average.
  int64_t growth_worst = 0;

  // Not a tensor, and in no sum here: the copy in host memory that a checkpoint
  // is written from, where there are some.
  int64_t snapshot = 0;

  int64_t fixed() const { return weights + gradients + masters + moments; }
  // What a run takes from the start on.
  int64_t expected() const { return fixed() + activations + routed; }
  // No rank of any run takes more, with the model's own routers and losses.
  int64_t worst() const {
    return fixed() + activations + routed_worst + growth_worst;
  }
};

// Floating-point operations of products, forward and backward (with the
// recomputation that the options ask for), per token.
struct TokenFlops {
  int64_t dense = 0;  // embedding left out: it is a lookup; the router is never
                      // computed again
  int64_t experts = 0;
  int64_t attention = 0;  // scores and their products, of what is seen alone;
                          // rounded down
  int64_t total() const { return dense + experts + attention; }
};

// Bytes that generation keeps per token, in the run's dtype.
struct KvCacheBytes {
  int64_t this_model = 0;
  int64_t multi_head = 0;   // a key/value head for every query head
  int64_t multi_query = 0;  // one for all
  // Tokens of a sequence that are kept at most: the sliding window; 0: all.
  int64_t most_tokens = 0;
};

struct Plan {
  TrainOptions options;
  RankLayout layout;
  ParameterCounts parameters;
  int64_t rank_parameters = 0;  // that a rank holds
  int64_t experts_per_rank = 0;
  RankMemory memory;
  TokenFlops flops;
  KvCacheBytes kv_cache;

  int64_t step_tokens = 0;         // of the global batch
  int64_t micro_batches = 0;       // of the global batch
  int64_t rank_micro_batches = 0;  // most on one rank
  // Of them, whose forward passes run before the first backward pass.
  int64_t rounds_together = 1;
  int64_t idle_ranks = 0;  // ranks without a micro-batch
  int64_t micro_batch_positions = 0;
  // Of one layer and one micro-batch of each rank of the group.
  int64_t routed_rows = 0;        // of a rank, if the experts share evenly
  int64_t routed_rows_worst = 0;  // bounded by --max_rows_per_rank if given
  double segment_rows = 0.0;      // average rows of a segment
  int64_t capacity = 0;           // rows an expert takes of a micro-batch;
                                  // 0: dropless
};

// `options` must be valid (Validate) and the layout must fit
// (CheckExpertParallel).
Plan MakePlan(const TrainOptions& options, const RankLayout& layout);

// A table for people, lines of at most 79 characters.
std::string ToTable(const Plan& plan);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_PLAN_PLAN_H_
