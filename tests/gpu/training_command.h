// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs of `switchyard train` of a small model on a text, each rank a process,
// and what they wrote.
#ifndef SWITCHYARD_TESTS_GPU_TRAINING_COMMAND_H_
#define SWITCHYARD_TESTS_GPU_TRAINING_COMMAND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {

struct TrainingRun {
  int ranks = 1;
  std::string model = "tiny";  // of examples/models
  int steps = 20;
  std::string batch = "--global_batch 8 --micro_batch 2 --seq_len 64";
  // Besides those of the model and the data.
  std::string flags = {};
  std::string environment = {};  // as the shell sets variables for a command
};

struct TrainingResult {
  int exit_code = -1;
  std::string errors;                 // what it wrote to standard error
  std::vector<double> losses, norms;  // by step
  std::string checksum;               // of the weights at the end
  // What the routers chose in the first step, by layer, token and choice, over
  // its micro-batches.
  int64_t choices = 0;  // of a token
  std::vector<int32_t> experts;
  std::vector<float> gates;
};

// Seed 3.
class TrainingCommand {
 public:
  TrainingCommand();
  TrainingResult Run(const TrainingRun& run);

 private:
  TemporaryFolder folder_;
  std::string text_;
  int runs_ = 0;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_GPU_TRAINING_COMMAND_H_
