// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddFlagAliases(FlagSet* set) {
  constexpr const char* kAliases[][2] = {
      {"learning_rate", "lr"},
      {"max_lr", "lr"},
      {"min_lr", "min_lr_ratio"},
      {"batch_size", "global_batch"},
      {"global_batch_size", "global_batch"},
      {"micro_batch_size", "micro_batch"},
      {"seq_length", "seq_len"},
      {"sequence_length", "seq_len"},
      {"max_seq_len", "seq_len"},
      {"block_size", "seq_len"},
      {"max_steps", "steps"},
      {"num_steps", "steps"},
      {"train_iters", "steps"},
      {"output_dir", "out"},
      {"train_data", "data"},
      {"config", "model"},
      {"grad_clip", "clip_norm"},
      {"max_grad_norm", "clip_norm"},
      {"precision", "dtype"},
      {"num_threads", "threads"},
      {"expert_parallel_size", "expert_parallel"},
      {"router_aux_loss_coef", "balance_loss_coef"},
      {"eval_interval", "eval_every"},
      {"log_interval", "log_every"},
  };
  for (const auto& [alias, name] : kAliases) set->Alias(alias, name);
}

}  // namespace switchyard::launch
