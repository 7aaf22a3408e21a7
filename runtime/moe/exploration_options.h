// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a router tries out in training, and never in an evaluation. Names are
// those of flags.
#ifndef SWITCHYARD_RUNTIME_MOE_EXPLORATION_OPTIONS_H_
#define SWITCHYARD_RUNTIME_MOE_EXPLORATION_OPTIONS_H_

#include "absl/status/status.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

struct ExplorationOptions {
  // Every element of the router's input, and of nothing else's, is multiplied
  // by a factor uniform on [1 - router_jitter, 1 + router_jitter] (Switch,
  // 2101.03961; kernels/router_jitter.h). Below 1; 0: off.
  double router_jitter = 0.0;
  // Experts are sampled from the softmax without replacement instead of the k
  // best; gates stay those of the true probabilities (Switch's "sample softmax"
  // for k = 1; kernels/gumbel_noise.h). Replayed experts are not sampled.
  bool router_sampling = false;
};

// One sentence that names the flag.
absl::Status Validate(const ExplorationOptions& options,
                      const ModelConfig& model);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_EXPLORATION_OPTIONS_H_
