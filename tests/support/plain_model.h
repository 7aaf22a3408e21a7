// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The model as its papers write it, in double precision and plain loops: the
// oracle of the whole model. Dropless or with capacity, one micro-batch, no
// dropout.
#ifndef SWITCHYARD_TESTS_SUPPORT_PLAIN_MODEL_H_
#define SWITCHYARD_TESTS_SUPPORT_PLAIN_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/moe/overflow_options.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard::testing {

// Values of all parameters, row-major, by logical name.
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

PlainLosses RunPlainModel(const ModelConfig& config,
                          const PlainWeights& weights, const Batch& batch,
                          const OverflowRule& overflow = {});

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_PLAIN_MODEL_H_
