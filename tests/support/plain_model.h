// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The model as its papers write it, in double precision and plain loops: the
// oracle of the whole model. One micro-batch, the first of step 0.
#ifndef SWITCHYARD_TESTS_SUPPORT_PLAIN_MODEL_H_
#define SWITCHYARD_TESTS_SUPPORT_PLAIN_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/moe/overflow_options.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard::testing {

// Values of all parameters and state tensors, row-major, by logical name.
using PlainWeights = std::map<std::string, std::vector<double>>;

// What the router of one layer said of each token.
struct PlainRouting {
  std::vector<std::vector<double>> probabilities;
  std::vector<std::vector<int64_t>> experts;
};

struct PlainLosses {
  double loss_sum = 0.0;  // over labelled tokens
  double balance = 0.0;   // over valid tokens, summed over layers
  double z = 0.0;
  std::vector<PlainRouting> layers;
};

// What a pass of training does beyond what the model says.
struct PlainPass {
  OverflowRule overflow;
  double router_jitter = 0.0;
  double expert_dropout = 0.0;
  uint64_t seed = 0;
  // Whose experts are taken, so that no difference of the weights changes a
  // choice; null: the best ones.
  const PlainLosses* held = nullptr;
};
PlainPass PlainPassOf(const TrainOptions& options);

PlainLosses RunPlainModel(const ModelConfig& config,
                          const PlainWeights& weights, const Batch& batch,
                          const PlainPass& pass = {});

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_PLAIN_MODEL_H_
