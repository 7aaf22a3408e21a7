// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a checkpoint's model computes for a batch, on one rank or several that
// are threads of the test.
#ifndef SWITCHYARD_TESTS_SUPPORT_CHECKPOINT_RUN_H_
#define SWITCHYARD_TESTS_SUPPORT_CHECKPOINT_RUN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard::testing {

struct CheckpointRun {
  int64_t vocabulary = 0;
  std::vector<double> logits;  // [tokens, vocabulary]
  double loss = 0.0;           // a mean
  // As Hugging Face pools it: k at perfect balance. Of models with experts.
  double balance = 0.0;
  // By layer: [tokens, k], each token's ascending.
  std::map<int, std::vector<int32_t>> experts;
  // Of loss + c balance, by parameter.
  std::map<std::string, std::vector<double>> gradient;
};

struct CheckpointRunOptions {
  int ranks = 1;          // each takes its share of the sequences
  bool balances = false;  // whether the objective has the balance loss
};

absl::StatusOr<ModelConfig> ModelOf(const std::string& checkpoint);

// Experts are divided between the ranks.
absl::StatusOr<CheckpointRun> RunCheckpoint(
    const std::string& checkpoint, const Batch& batch,
    const CheckpointRunOptions& options = {});

// Sequences of tokens that follow from the seed, all of them labelled.
Batch SomeBatch(int64_t vocabulary, int64_t sequences, int64_t length,
                uint64_t seed = 1);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_CHECKPOINT_RUN_H_
