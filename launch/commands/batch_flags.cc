// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddBatchFlags(TrainFlags* flags, FlagSet* set) {
  TrainOptions& o = flags->options;
  set->Group("Batch");
  set->Add("seq_len", &o.seq_len, "T", "tokens of a sequence");
  set->Add("global_batch", &o.global_batch, "SEQS",
           "sequences of a step, over all ranks");
  set->Add("micro_batch", &o.micro_batch, "SEQS",
           "sequences computed at once: the unit of numerics, must divide "
           "--global_batch",
           "the smallest that gives an expert 128 rows on average");
}

}  // namespace switchyard::launch
