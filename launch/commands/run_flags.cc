// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddRunFlags(TrainFlags* flags, FlagSet* set) {
  TrainOptions& o = flags->options;
  set->Group("Run");
  set->Add("model", &flags->model_path, "PATH",
           "config.json with Mixtral's keys, or a folder that holds one");
  set->Add("data", &flags->data, "FILE[,FILE]",
           "text to train on, read as bytes");
  set->Add("steps", &o.steps, "N", "length of the schedule");
  set->Add("seed", &o.seed, "S",
           "of initial weights and of the order of the data");
}

void AddOutputFlags(TrainFlags* flags, FlagSet* set) {
  TrainOptions& o = flags->options;
  set->Group("Output");
  set->Add("out", &flags->out, "DIR",
           "new folder for metrics.jsonl, summary.json and the resolved "
           "configuration");
  set->Add("stop_at", &o.stop_at, "STEP",
           "end after this step without changing the schedule", "--steps");
  set->Add("log_every", &o.log_every, "N", "steps between lines of progress");
  set->Add("layer_metrics_every", &o.layer_metrics_every, "N",
           "steps between figures of each layer in metrics.jsonl; 0: none");
  set->Add("routing_trace", &o.routing_trace, "FILE",
           "new file for the experts and gates of every token");
}

}  // namespace switchyard::launch
