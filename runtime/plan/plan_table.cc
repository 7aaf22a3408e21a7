// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/runtime/plan/plan.h"

namespace switchyard {
namespace {

// 46702792704 -> "46,702,792,704".
std::string Grouped(int64_t number) {
  const std::string digits = absl::StrCat(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

// Decimal units, as memory and disks are sold and limits are written.
std::string Size(int64_t bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 999.95 && unit < 5) {
    value /= 1000.0;
    ++unit;
  }
  return unit == 0 ? absl::StrCat(bytes, " B")
                   : absl::StrFormat("%.1f %s", value, units[unit]);
}

std::string Line(absl::string_view name, absl::string_view value,
                 absl::string_view note = "") {
  std::string line = absl::StrFormat("  %-28s %17s", name, value);
  if (!note.empty()) absl::StrAppend(&line, "  ", note);
  return absl::StrCat(line, "\n");
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
      Line("parameters", Grouped(p.total)),
      Line("active per token", Grouped(p.active)),
      Line("on each rank", Grouped(plan.rank_parameters),
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
      Line("ranks", Grouped(plan.layout.ranks),
           absl::StrCat(plan.layout.ranks / plan.layout.ranks_per_node,
                        " nodes of ", plan.layout.ranks_per_node)),
      Line("expert-parallel width", Grouped(plan.layout.expert_parallel)),
      Line("global batch", Grouped(o.global_batch),
           absl::StrCat("sequences, ", Grouped(plan.step_tokens), " tokens")),
      Line("micro-batch", Grouped(o.micro_batch),
           absl::StrCat("sequences, at most ", plan.rank_micro_batches,
                        " a rank")),
      Line("rows of a segment", absl::StrFormat("%.1f", plan.segment_rows),
           "on average"));
  if (plan.capacity > 0) {
    absl::StrAppend(&text, Line("expert capacity", Grouped(plan.capacity),
                                "rows of a micro-batch"));
  }
  if (plan.idle_ranks > 0) {
    absl::StrAppend(
        &text, Line("ranks without a micro-batch", Grouped(plan.idle_ranks),
                    "they hold experts only"));
  }
  return text;
}

std::string WorstNote(const Plan& plan) {
  return absl::StrCat(Grouped(plan.routed_rows_worst),
                      plan.options.max_rows_per_rank > 0
                          ? " rows at most, by flag"
                          : " rows on one rank");
}

std::string MemoryPart(const Plan& plan) {
  const RankMemory& memory = plan.memory;
  const char* dtype = NameOf(plan.options.dtype);
  std::string text = absl::StrCat(
      "Memory of a rank\n", Line("weights", Size(memory.weights), dtype),
      Line("gradient sums", Size(memory.gradients),
           absl::StrCat("int64 (fp32: ", Size(memory.gradients_fp32), ")")));
  if (memory.masters > 0) {
    absl::StrAppend(
        &text, Line("master weights", Size(memory.masters), "fp32, sharded"));
  }
  const int64_t saved = memory.gradients - memory.gradients_fp32;
  absl::StrAppend(
      &text, Line("AdamW moments", Size(memory.moments), "fp32, sharded"),
      Line("before activations", Size(memory.fixed()),
           absl::StrCat("with fp32 sums ", Size(memory.fixed() - saved))),
      Line("activations", Size(memory.activations), "estimate"),
      Line("routed rows", Size(memory.routed),
           absl::StrCat(Grouped(plan.routed_rows), " rows, even load")),
      Line("routed rows, worst case", Size(memory.routed_worst),
           WorstNote(plan)),
      Line("total", Size(memory.expected()), "even load"),
      Line("total, worst case", Size(memory.worst()),
           plan.capacity > 0 ? "capacity full" : "dropless"));
  return text;
}

std::string CostPart(const Plan& plan) {
  const TokenFlops& flops = plan.flops;
  const KvCache& cache = plan.kv_cache;
  return absl::StrCat(
      "Work\n",
      Line("FLOPs per token", Grouped(flops.total()), "forward and backward"),
      Line("of which experts", Grouped(flops.experts)),
      Line("of which attention scores", Grouped(flops.attention)),
      Line("tokens of the run", Grouped(plan.step_tokens * plan.options.steps),
           absl::StrCat(Grouped(plan.options.steps), " steps")),
      absl::StrCat("KV cache per token in ", NameOf(plan.options.dtype), "\n"),
      Line("this model", Size(cache.this_model)),
      Line("multi-head", Size(cache.multi_head)),
      Line("multi-query", Size(cache.multi_query)));
}

}  // namespace

std::string ToTable(const Plan& plan) {
  return absl::StrCat(ModelPart(plan), LayoutPart(plan), MemoryPart(plan),
                      CostPart(plan));
}

}  // namespace switchyard
