// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/model_family.h"

#include "switchyard/base/check.h"

namespace switchyard {
namespace {

constexpr FamilyFacts kFamilies[] = {
    {.family = ModelFamily::kMixtral,
     .model_type = "mixtral",
     .architecture = "MixtralForCausalLM",
     .has_experts = true,
     .experts_key = "num_local_experts",
     .qk_norm = QkNorm::kNone,
     .divides_gates = true,
     .all_heads_are_kv_heads = false,
     .head_dim = 0,
     .max_position_embeddings = 131072,
     .rope_theta = 0.0,
     .rms_norm_eps = 0.0f,
     .sliding_window = 0,
     .windows_are_switched = false,
     .class_has_attention_bias = false,
     .class_has_window = true},
    {.family = ModelFamily::kQwen3Moe,
     .model_type = "qwen3_moe",
     .architecture = "Qwen3MoeForCausalLM",
     .has_experts = true,
     .experts_key = "num_experts",
     .qk_norm = QkNorm::kHead,
     .divides_gates = false,
     .all_heads_are_kv_heads = false,
     .head_dim = 0,
     .max_position_embeddings = 32768,
     .rope_theta = 10000.0,
     .rms_norm_eps = 1e-6f,
     .sliding_window = 4096,
     .windows_are_switched = true,
     .class_has_attention_bias = true,
     .class_has_window = true},
    {.family = ModelFamily::kOlmoe,
     .model_type = "olmoe",
     .architecture = "OlmoeForCausalLM",
     .has_experts = true,
     .experts_key = "num_experts",
     .qk_norm = QkNorm::kFull,
     .divides_gates = false,
     .all_heads_are_kv_heads = true,
     .head_dim = 0,
     .max_position_embeddings = 4096,
     .rope_theta = 10000.0,
     .rms_norm_eps = 1e-5f,
     .sliding_window = 0,
     .windows_are_switched = false,
     .class_has_attention_bias = true,
     .class_has_window = false},
    {.family = ModelFamily::kLlama,
     .model_type = "llama",
     .architecture = "LlamaForCausalLM",
     .has_experts = false,
     .experts_key = "",
     .qk_norm = QkNorm::kNone,
     .divides_gates = true,
     .all_heads_are_kv_heads = true,
     .head_dim = 0,
     .max_position_embeddings = 2048,
     .rope_theta = 10000.0,
     .rms_norm_eps = 1e-6f,
     .sliding_window = 0,
     .windows_are_switched = false,
     .class_has_attention_bias = true,
     .class_has_window = false},
    {.family = ModelFamily::kMistral,
     .model_type = "mistral",
     .architecture = "MistralForCausalLM",
     .has_experts = false,
     .experts_key = "",
     .qk_norm = QkNorm::kNone,
     .divides_gates = true,
     .all_heads_are_kv_heads = false,
     .head_dim = 0,
     .max_position_embeddings = 131072,
     .rope_theta = 10000.0,
     .rms_norm_eps = 1e-6f,
     .sliding_window = 4096,
     .windows_are_switched = false,
     .class_has_attention_bias = false,
     .class_has_window = true},
    {.family = ModelFamily::kQwen3,
     .model_type = "qwen3",
     .architecture = "Qwen3ForCausalLM",
     .has_experts = false,
     .experts_key = "",
     .qk_norm = QkNorm::kHead,
     .divides_gates = true,
     .all_heads_are_kv_heads = false,
     .head_dim = 128,
     .max_position_embeddings = 32768,
     .rope_theta = 10000.0,
     .rms_norm_eps = 1e-6f,
     .sliding_window = 4096,
     .windows_are_switched = true,
     .class_has_attention_bias = true,
     .class_has_window = true},
};

}  // namespace

absl::Span<const FamilyFacts> ModelFamilies() { return kFamilies; }

const FamilyFacts& FactsOf(ModelFamily family) {
  for (const FamilyFacts& facts : kFamilies) {
    if (facts.family == family) return facts;
  }
  SWITCHYARD_CHECK(false) << static_cast<int>(family);
  return kFamilies[0];
}

const FamilyFacts* FindModelFamily(absl::string_view model_type) {
  for (const FamilyFacts& facts : kFamilies) {
    if (model_type == facts.model_type) return &facts;
  }
  return nullptr;
}

}  // namespace switchyard
