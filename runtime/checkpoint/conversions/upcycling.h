// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// From a dense model to a mixture of experts (Komatsuzaki et al., Sparse
// upcycling, 2212.05055): each expert begins as a copy of the layer's
// feed-forward network, the router as in a new model, all else is kept.
//
// With two choices or more gates are divided by their sum (norm_topk_prob), and
// a dropless mixture of equal experts computes what the dense model does. With
// one choice the gate is the router's probability, about 1 / E at first, since
// a gate of always 1 would teach the router nothing: the branch begins that
// much weaker.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_UPCYCLING_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_UPCYCLING_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/runtime/checkpoint/model_weights.h"

namespace switchyard {

struct UpcyclingOptions {
  int64_t experts = 0;            // E
  int64_t experts_per_token = 2;  // k
  // Layers i have experts where it divides i + 1 (decoder_sparse_step).
  int64_t every = 1;
  // Standard deviation of normal noise that is added to each element of each
  // expert, a function of (seed, the expert's tensor, element). 0: none; at
  // most 1.
  double noise = 0.0;
  uint64_t seed = 0;    // of routers and noise
  std::string version;  // of the program
};

// The new model. Its family is Mixtral's for Llama and Mistral, Qwen3-MoE's for
// Qwen3. An error if `dense` has experts already.
absl::StatusOr<ModelConfig> UpcycledConfig(const ModelConfig& dense,
                                           const UpcyclingOptions& options);

// Writes the checkpoint `to`, every tensor in the dtype of the one that it
// comes from, routers in fp32.
absl::Status Upcycle(ModelWeights& from, const UpcyclingOptions& options,
                     const std::string& to);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_UPCYCLING_H_
