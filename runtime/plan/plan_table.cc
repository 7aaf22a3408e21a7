// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/number_text.h"
#include "switchyard/runtime/plan/plan.h"

namespace switchyard {
namespace {

std::string Line(absl::string_view name, absl::string_view value,
                 absl::string_view note = "") {
  std::string line = absl::StrFormat("  %-28s %17s", name, value);
  if (!note.empty()) absl::StrAppend(&line, "  ", note);
  return absl::StrCat(line, "\n");
}

// What layers have besides experts, or instead of them.
std::string NetworkLines(const ModelConfig& m) {
  const int64_t expert_layers = ExpertLayerCount(m);
  std::string text;
  if (expert_layers < m.layers) {
    text = Line("layers without experts", GroupedText(m.layers - expert_layers),
                absl::StrCat("of inner width ", DenseWidth(m)));
  }
  if (SharedWidth(m) > 0) {
    absl::StrAppend(
        &text, Line("shared expert", GroupedText(SharedWidth(m)),
                    m.feed_forward.shared_expert_gate ? "inner width, gated"
                                                      : "inner width"));
  }
  return text;
}

std::string ModelPart(const Plan& plan) {
  const ModelConfig& m = plan.options.model;
  const ParameterCounts& p = plan.parameters;
  return absl::StrCat(
      "Model\n",
      Line("layers, hidden size", absl::StrCat(m.layers, ", ", m.hidden_size)),
      Line("heads, key/value heads", absl::StrCat(m.heads, ", ", m.kv_heads),
           absl::StrCat("of ", m.head_dim)),
      Line("experts, per token",
           absl::StrCat(m.experts, ", ", m.experts_per_token),
           absl::StrCat("of inner width ", m.intermediate_size)),
      NetworkLines(m), Line("parameters", GroupedText(p.total)),
      Line("active per token", GroupedText(p.active)),
      Line("on each rank", GroupedText(plan.rank_parameters),
           absl::StrCat(plan.experts_per_rank, " of ", m.experts, " experts")),
      Line("balance coefficient c",
           absl::StrFormat("%.6g", m.balance_loss_coef),
           m.balance_loss_coef == 0.0 ? "off" : "a layer"),
      Line("z-loss coefficient", absl::StrFormat("%.6g", m.router_z_loss_coef),
           m.router_z_loss_coef == 0.0 ? "off" : ""));
}

std::string LayoutPart(const Plan& plan) {
  const TrainOptions& o = plan.options;
  std::string text = absl::StrCat(
      "Layout\n",
      Line("ranks", GroupedText(plan.layout.ranks),
           plan.layout.nodes == 1
               ? "on one node"
               : absl::StrCat("on ", plan.layout.nodes, " nodes")),
      Line("expert-parallel width", GroupedText(plan.layout.expert_parallel)),
      Line("global batch", GroupedText(o.global_batch),
           absl::StrCat("sequences, ", GroupedText(plan.step_tokens),
                        " tokens")),
      Line("micro-batch", GroupedText(o.micro_batch),
           absl::StrCat("sequences, at most ", plan.rank_micro_batches,
                        " a rank")),
      Line("rows of a segment", absl::StrFormat("%.1f", plan.segment_rows),
           "on average"));
  if (plan.capacity > 0) {
    const bool sequence = o.overflow.capacity_scope == CapacityScope::kSequence;
    absl::StrAppend(
        &text, Line("expert capacity",
                    GroupedText(sequence ? plan.capacity / o.micro_batch
                                         : plan.capacity),
                    sequence ? "rows of a sequence" : "rows of a micro-batch"));
  }
  if (plan.idle_ranks > 0) {
    absl::StrAppend(
        &text, Line("ranks without a micro-batch", GroupedText(plan.idle_ranks),
                    "they hold experts only"));
  }
  return text;
}

std::string WorstNote(const Plan& plan) {
  return absl::StrCat(GroupedText(plan.routed_rows_worst),
                      plan.options.max_rows_per_rank > 0
                          ? " rows at most, by flag"
                          : " rows on one rank");
}

std::string MemoryPart(const Plan& plan) {
  const RankMemory& memory = plan.memory;
  const char* dtype = NameOf(plan.options.dtype);
  const bool floats = SumsFloats(plan.options);
  std::string text = absl::StrCat(
      "Memory of a rank\n", Line("weights", ByteText(memory.weights), dtype),
      Line("gradient sums", ByteText(memory.gradients),
           floats ? absl::StrCat(
                        "fp32 (int64: ", ByteText(memory.gradients_int64), ")")
                  : absl::StrCat("int64 (fp32: ",
                                 ByteText(memory.gradients_fp32), ")")));
  if (memory.masters > 0) {
    absl::StrAppend(&text, Line("master weights", ByteText(memory.masters),
                                "fp32, sharded"));
  }
  const int64_t other =
      memory.fixed() - memory.gradients +
      (floats ? memory.gradients_int64 : memory.gradients_fp32);
  absl::StrAppend(
      &text, Line("AdamW moments", ByteText(memory.moments), "fp32, sharded"),
      Line("before activations", ByteText(memory.fixed()),
           absl::StrCat("with ", floats ? "int64" : "fp32", " sums ",
                        ByteText(other))),
      Line("activations", ByteText(memory.activations),
           plan.rounds_together > 1
               ? absl::StrCat("of positions, ", plan.rounds_together,
                              " micro-batches at once")
               : "of positions"),
      Line("routed rows", ByteText(memory.routed),
           absl::StrCat(GroupedText(plan.routed_rows), " rows, even load")),
      Line("routed rows, worst case", ByteText(memory.routed_worst),
           WorstNote(plan)),
      Line("growth, worst case", ByteText(memory.growth_worst),
           "arenas double, shards differ"),
      Line("total", ByteText(memory.expected()), "even load"),
      Line("total, worst case", ByteText(memory.worst()),
           plan.capacity > 0 ? "a bound: capacity full" : "a bound: dropless"));
  if (memory.snapshot > 0) {
    absl::StrAppend(&text,
                    Line("snapshot of a checkpoint", ByteText(memory.snapshot),
                         "besides, in host memory"));
  }
  return text;
}

std::string CostPart(const Plan& plan) {
  const TokenFlops& flops = plan.flops;
  const KvCacheBytes& cache = plan.kv_cache;
  return absl::StrCat(
      "Work\n",
      Line("FLOPs per token", GroupedText(flops.total()),
           "forward and backward"),
      Line("of which experts", GroupedText(flops.experts)),
      Line("of which attention scores", GroupedText(flops.attention)),
      Line("tokens of the run",
           GroupedText(plan.step_tokens * plan.options.steps),
           absl::StrCat(GroupedText(plan.options.steps), " steps")),
      absl::StrCat("KV cache per token in ", NameOf(plan.options.dtype), "\n"),
      Line("this model", ByteText(cache.this_model)),
      Line("multi-head", ByteText(cache.multi_head)),
      Line("multi-query", ByteText(cache.multi_query)),
      cache.most_tokens > 0
          ? Line("tokens of a sequence", GroupedText(cache.most_tokens),
                 "at most: the window")
          : "");
}

}  // namespace

std::string ToTable(const Plan& plan) {
  return absl::StrCat(ModelPart(plan), LayoutPart(plan), MemoryPart(plan),
                      CostPart(plan));
}

}  // namespace switchyard
