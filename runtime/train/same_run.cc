// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/same_run.h"

#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard {
namespace {

struct Told {
  const char* what;
  int64_t value;               // equal if and (nearly) only if what was told is
  IntegerText text = nullptr;  // null: the value is a hash
};

int64_t Hash(const std::string& text) {
  return static_cast<int64_t>(MixKey(0, std::string_view(text)));
}

Told Integer(const char* what, int64_t value) {
  return {what, value, [](int64_t found) { return absl::StrCat(found); }};
}

Told Seed(const char* what, uint64_t value) {
  return {what, static_cast<int64_t>(value), [](int64_t found) {
            return absl::StrCat(static_cast<uint64_t>(found));
          }};
}

// The shortest decimal that reads back to the same bits: two numbers that
// differ never look the same.
std::string NumberText(int64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof(value));
  char text[32];
  return std::string(text, std::to_chars(text, text + 32, value).ptr);
}

Told Number(const char* what, double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return {what, bits, NumberText};
}

Told Factor(const char* what, const CapacityFactor& factor) {
  return Number(what, static_cast<double>(factor.numerator()) /
                          static_cast<double>(factor.denominator()));
}

Told Switch(const char* what, bool value) {
  return {what, value ? 1 : 0,
          [](int64_t found) { return std::string(found ? "true" : "false"); }};
}

Told File(const char* what, const std::string& path) {
  return {what, path.empty() ? 0 : 1,
          [](int64_t found) { return std::string(found ? "one" : "none"); }};
}

template <typename T>
Told Choice(const char* what, T value) {
  return {what, static_cast<int64_t>(value), [](int64_t found) {
            return std::string(NameOf(static_cast<T>(found)));
          }};
}

Told HeldOut(const char* what, int64_t sequences) {
  return {what, sequences,
          [](int64_t found) { return absl::StrCat(found, " sequences"); }};
}

std::vector<Told> WhatWasTold(const TrainOptions& o, const DataSource& data) {
  return {
      // They are in the model's hash, too, which could not name them.
      Number("--balance_loss_coef", o.model.balance_loss_coef),
      Number("--router_z_loss_coef", o.model.router_z_loss_coef),
      {"--model", Hash(ToJson(o.model))},
      {"--data", static_cast<int64_t>(data.identity())},
      HeldOut("--eval_data or --eval_fraction", data.eval_sequence_count()),
      Choice("--dtype", o.dtype),
      Integer("--seq_len", o.seq_len),
      Integer("--global_batch", o.global_batch),
      Integer("--micro_batch", o.micro_batch),
      Seed("--seed", o.seed),
      Integer("--steps", o.steps),
      Integer("--stop_at", o.stop_at),
      Number("--lr", o.lr),
      Choice("--schedule", o.schedule),
      Integer("--warmup_steps", o.warmup_steps),
      Number("--min_lr_ratio", o.min_lr_ratio),
      Number("--decay_fraction", o.decay_fraction),
      Number("--weight_decay", o.weight_decay),
      Switch("--decay_norms", o.decay_norms),
      Number("--beta1", o.beta1),
      Number("--beta2", o.beta2),
      Number("--adam_eps", o.adam_eps),
      Number("--clip_norm", o.clip_norm),
      Integer("the unit of gradient sums", o.fraction_bits),
      Choice("--bad_gradient", o.bad_gradient),
      Number("--router_jitter", o.exploration.router_jitter),
      Switch("--router_sampling", o.exploration.router_sampling),
      Factor("--capacity_factor", o.overflow.capacity_factor),
      Factor("--eval_capacity_factor", o.overflow.factor(/*training=*/false)),
      Integer("--min_capacity", o.overflow.min_capacity),
      Choice("--capacity_scope", o.overflow.capacity_scope),
      Choice("--drop_policy", o.overflow.drop_policy),
      Switch("--renormalize_survivors", o.overflow.renormalize_survivors),
      Integer("--no_token_left_behind", o.overflow.no_token_left_behind),
      Choice("--balance_loss", o.balance.loss),
      Choice("--balance_scope", o.balance.scope),
      Integer("--balance_window", o.balance.window),
      Number("--device_balance_loss_coef", o.balance.device_coefficient),
      Number("--communication_balance_loss_coef",
             o.balance.communication_coefficient),
      Number("--bias_update_rate", o.balance.bias_update_rate),
      Integer("--max_rows_per_rank", o.max_rows_per_rank),
      Integer("--checkpoint_every", o.checkpoint_every),
      File("--routing_trace", o.routing_trace),
      File("--routing_replay", o.routing_replay),
      Number("--expert_dropout", o.expert_dropout),
      Integer("--expert_parallel", o.expert_parallel),
      Choice("--recompute", o.recompute),
      Choice("--device", o.device),
      Choice("--determinism", o.determinism),
      Integer("--overlap_chunks", o.overlap_chunks),
      {"--isa", Hash(o.isa)},
      Integer("--eval_every", o.eval_every),
      Integer("--eval_batches", o.eval_batches),
      Integer("--layer_metrics_every", o.layer_metrics_every),
  };
}

}  // namespace

absl::Status CheckSameRun(comm::Communicator& world,
                          const TrainOptions& options, const DataSource& data) {
  const std::vector<Told> told = WhatWasTold(options, data);
  std::vector<int64_t> mine;
  for (const Told& item : told) mine.push_back(item.value);
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world, mine));
  for (size_t i = 0; i < told.size(); ++i) {
    const std::string difference =
        DifferenceOfRanks(world, all, told.size(), i, told[i].text);
    if (difference.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "expected the same ", told[i].what, " on all ranks, ", difference,
        "; start all ranks with the same flags and files"));
  }
  return absl::OkStatus();
}

}  // namespace switchyard
