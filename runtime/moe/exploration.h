// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Exploration of one layer's router in training (exploration_options.h). What
// is random is a function of (seed, purpose, step, layer, token of the step,
// element), so that it is made again in the backward pass and is the same on
// every layout.
#ifndef SWITCHYARD_RUNTIME_MOE_EXPLORATION_H_
#define SWITCHYARD_RUNTIME_MOE_EXPLORATION_H_

#include <cstdint>

#include "switchyard/base/tensor_view.h"
#include "switchyard/runtime/moe/exploration_options.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/token_batch.h"

namespace switchyard {

class Exploration {
 public:
  Exploration(const ExplorationOptions& options, int layer)
      : options_(options), layer_(layer) {}

  bool Jitters(const TokenBatch& batch) const {
    return batch.training && options_.router_jitter > 0.0;
  }
  // y = x times the factors of the batch's tokens, fp32 [tokens, hidden]; y may
  // be x. Only where Jitters.
  void Jitter(const Execution& run, const TokenBatch& batch,
              const ConstTensorView& x, const TensorView& y) const;

  // What is added to the logits to choose, fp32 [tokens, experts]; undefined:
  // nothing.
  ConstTensorView SelectionNoise(const Execution& run, const TokenBatch& batch,
                                 int64_t experts) const;

 private:
  uint64_t Key(const Execution& run, const char* purpose) const;

  ExplorationOptions options_;
  int layer_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_EXPLORATION_H_
