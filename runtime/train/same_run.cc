// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/same_run.h"

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
  int64_t value;  // equal if and (nearly) only if what was told is
};

int64_t Bits(double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

int64_t Hash(const std::string& text) {
  return static_cast<int64_t>(MixKey(0, std::string_view(text)));
}

std::vector<Told> WhatWasTold(const TrainOptions& o, const DataSource& data) {
  return {
      {"--model", Hash(ToJson(o.model))},
      {"--data", static_cast<int64_t>(data.identity())},
      {"--eval_data or --eval_fraction", data.eval_sequence_count()},
      {"--dtype", static_cast<int64_t>(o.dtype)},
      {"--seq_len", o.seq_len},
      {"--global_batch", o.global_batch},
      {"--micro_batch", o.micro_batch},
      {"--seed", static_cast<int64_t>(o.seed)},
      {"--steps", o.steps},
      {"--stop_at", o.stop_at},
      {"--lr", Bits(o.lr)},
      {"--schedule", static_cast<int64_t>(o.schedule)},
      {"--warmup_steps", o.warmup_steps},
      {"--min_lr_ratio", Bits(o.min_lr_ratio)},
      {"--decay_fraction", Bits(o.decay_fraction)},
      {"--weight_decay", Bits(o.weight_decay)},
      {"--decay_norms", o.decay_norms ? 1 : 0},
      {"--beta1", Bits(o.beta1)},
      {"--beta2", Bits(o.beta2)},
      {"--adam_eps", Bits(o.adam_eps)},
      {"--clip_norm", Bits(o.clip_norm)},
      {"the unit of gradient sums", o.fraction_bits},
      {"--bad_gradient", static_cast<int64_t>(o.bad_gradient)},
      {"--router_jitter", Bits(o.exploration.router_jitter)},
      {"--router_sampling", o.exploration.router_sampling ? 1 : 0},
      {"--capacity_factor", Hash(o.overflow.capacity_factor.ToString())},
      {"--eval_capacity_factor", Hash(o.overflow.factor(false).ToString())},
      {"--min_capacity", o.overflow.min_capacity},
      {"--capacity_scope", static_cast<int64_t>(o.overflow.capacity_scope)},
      {"--drop_policy", static_cast<int64_t>(o.overflow.drop_policy)},
      {"--renormalize_survivors", o.overflow.renormalize_survivors ? 1 : 0},
      {"--no_token_left_behind", o.overflow.no_token_left_behind},
      {"--balance_loss", static_cast<int64_t>(o.balance.loss)},
      {"--balance_scope", static_cast<int64_t>(o.balance.scope)},
      {"--balance_window", o.balance.window},
      {"--device_balance_loss_coef", Bits(o.balance.device_coefficient)},
      {"--communication_balance_loss_coef",
       Bits(o.balance.communication_coefficient)},
      {"--bias_update_rate", Bits(o.balance.bias_update_rate)},
      {"--max_rows_per_rank", o.max_rows_per_rank},
      {"--routing_trace", o.routing_trace.empty() ? 0 : 1},
      {"--routing_replay", o.routing_replay.empty() ? 0 : 1},
      {"--expert_dropout", Bits(o.expert_dropout)},
      {"--expert_parallel", o.expert_parallel},
      {"--recompute", static_cast<int64_t>(o.recompute)},
      {"--determinism", static_cast<int64_t>(o.determinism)},
      {"--isa", Hash(o.isa)},
      {"--eval_every", o.eval_every},
      {"--eval_batches", o.eval_batches},
      {"--layer_metrics_every", o.layer_metrics_every},
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
    const std::string differing =
        RanksThatDiffer(world, all, told.size(), static_cast<int>(i));
    if (differing.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "expected the same ", told[i].what, " on all ranks, found another on ",
        "rank ", differing, " than on rank 0 (", world.members()[0].host,
        "); start all ranks with the same flags and files"));
  }
  return absl::OkStatus();
}

}  // namespace switchyard
