// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model's feed-forward networks are, beyond the sizes of its experts
// (model_config.h): which layers have experts, what a feed-forward network is,
// what is shared by all tokens, and how weights begin.
#ifndef SWITCHYARD_RUNTIME_NN_FEED_FORWARD_CONFIG_H_
#define SWITCHYARD_RUNTIME_NN_FEED_FORWARD_CONFIG_H_

#include <cstdint>
#include <vector>

#include "switchyard/kernels/activation.h"

namespace switchyard {

enum class InitialValues { kNormal, kTruncatedNormal };

struct FeedForwardConfig {
  // Which layers have experts: by DeepSeek's keys, layer i does if i >=
  // first_k_dense_replace and moe_layer_freq divides i; by Qwen's, if
  // decoder_sparse_step divides i + 1 and i is not in mlp_only_layers. All
  // layers by default; a model without any is a dense one. The others have one
  // dense feed-forward network each.
  int64_t first_k_dense_replace = 0;
  int64_t moe_layer_freq = 1;
  int64_t decoder_sparse_step = 1;
  std::vector<int64_t> mlp_only_layers;  // ascending

  // Inner width of a dense layer's network: the file's "intermediate_size"
  // where "moe_intermediate_size" is that of an expert; 0: as an expert's.
  int64_t dense_intermediate_size = 0;

  // hidden_act and is_gated_act, of all networks:
  // y = (f(x w1ᵀ) · (x w3ᵀ)) w2ᵀ if gated (SwiGLU, GEGLU, ReGLU), else
  // y = f(x w1ᵀ) w2ᵀ (Switch).
  kernels::ActivationKind activation;

  // A network that all tokens of a layer with experts pass (shared experts):
  // DeepSeek's is n_shared_experts experts wide, Qwen's as wide as
  // shared_expert_intermediate_size says. 0: none.
  int64_t n_shared_experts = 0;
  int64_t shared_expert_intermediate_size = 0;
  // Its output times σ(x · w) with a learned w [1, hidden] (Qwen2-MoE).
  bool shared_expert_gate = false;

  // initializer and initializer_scale. Matrices begin normal, with standard
  // deviation initializer_range. "truncated_normal": numbers beyond 3 standard
  // deviations are drawn again (OLMoE). With initializer_scale s, every matrix
  // [out, in] that is multiplied has standard deviation sqrt(s / in) instead,
  // and numbers beyond 2 are drawn again (Switch, 2101.03961, section 2.4);
  // the embedding, which is looked up, keeps initializer_range. Deviations are
  // those before cutting.
  InitialValues initializer = InitialValues::kNormal;
  double initializer_scale = 0.0;  // 0: initializer_range everywhere
};

// The value of "hidden_act".
const char* NameOf(kernels::Activation activation);

struct ModelConfig;  // model_config.h

// Whether layer `layer` has experts, how many layers do, and which, ascending.
bool HasExperts(const ModelConfig& config, int64_t layer);
int64_t ExpertLayerCount(const ModelConfig& config);
std::vector<int> ExpertLayers(const ModelConfig& config);

// Inner width of a dense layer's network, and of the shared one: 0 if none.
int64_t DenseWidth(const ModelConfig& config);
int64_t SharedWidth(const ModelConfig& config);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_FEED_FORWARD_CONFIG_H_
