// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Families of models, by the "model_type" of their config.json: which keys a
// file has, what stands for those that it leaves out, and how Hugging Face
// names tensors (checkpoint/hugging_face). A family never decides what a model
// computes: every other field of ModelConfig does.
#ifndef SWITCHYARD_RUNTIME_NN_MODEL_FAMILY_H_
#define SWITCHYARD_RUNTIME_NN_MODEL_FAMILY_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "switchyard/runtime/nn/attention_config.h"

namespace switchyard {

enum class ModelFamily {
  kMixtral,   // "mixtral"
  kQwen3Moe,  // "qwen3_moe"
  kOlmoe,     // "olmoe"
  kLlama,     // "llama": dense, as those below
  kMistral,   // "mistral"
  kQwen3,     // "qwen3"
};

// Defaults are those of the classes in transformers 5.24
// (models/*/configuration_*.py).
struct FamilyFacts {
  ModelFamily family;
  const char* model_type;
  const char* architecture;  // the class that Hugging Face loads
  // False: no layer has experts, and no key speaks of them. Then ModelConfig
  // has experts = experts_per_token = 1 and first_k_dense_replace = layers.
  bool has_experts;
  // num_local_experts or num_experts, as its own files have it.
  const char* experts_key;
  QkNorm qk_norm;               // where the file has no "qk_norm"
  bool divides_gates;           // norm_topk_prob where k > 1
  bool all_heads_are_kv_heads;  // num_key_value_heads = heads
  int64_t head_dim;             // 0: hidden_size / heads
  int64_t max_position_embeddings;
  double rope_theta;       // 0: the file must say it
  float rms_norm_eps;      // 0: the file must say it
  int64_t sliding_window;  // 0: none
  // A window counts only with use_sliding_window true.
  bool windows_are_switched;

  // What the class can be told, where it computes no more than that.
  bool class_has_attention_bias;
  bool class_has_window;
};

const FamilyFacts& FactsOf(ModelFamily family);
absl::Span<const FamilyFacts> ModelFamilies();
// Null if there is no such family.
const FamilyFacts* FindModelFamily(absl::string_view model_type);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_MODEL_FAMILY_H_
