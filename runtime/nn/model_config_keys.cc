// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/model_config_keys.h"

namespace switchyard::internal {
namespace {

constexpr ConfigKeyKind kUsed = ConfigKeyKind::kUsed;
constexpr ConfigKeyKind kIgnored = ConfigKeyKind::kIgnored;
constexpr ConfigKeyKind kOnlyThis = ConfigKeyKind::kOnlyThis;

constexpr ConfigKey kKeys[] = {
    {"model_type", kUsed},
    {"hidden_size", kUsed},
    {"intermediate_size", kUsed},
    {"num_hidden_layers", kUsed},
    {"num_attention_heads", kUsed},
    {"num_key_value_heads", kUsed},
    {"head_dim", kUsed},
    {"num_local_experts", kUsed},
    {"num_experts", kUsed},
    {"n_routed_experts", kUsed},
    {"num_experts_per_tok", kUsed},
    {"vocab_size", kUsed},
    {"max_position_embeddings", kUsed},
    {"rope_theta", kUsed},
    {"rope_parameters", kUsed},
    {"rms_norm_eps", kUsed},
    {"initializer_range", kUsed},
    {"router_aux_loss_coef", kUsed},
    {"balance_loss_coef", kUsed},
    {"router_z_loss_coef", kUsed},
    // What the weights of a file are in; --dtype decides about a run.
    {"dtype", kUsed},
    {"torch_dtype", kUsed},
    {"norm_topk_prob", kUsed},
    {"attention_bias", kUsed},
    {"layer_types", kUsed},
    {"max_window_layers", kUsed},
    {"pad_token_id", kUsed},
    {"qk_norm", kUsed},
    {"qkv_bias", kUsed},
    {"sliding_window", kUsed},
    {"use_sliding_window", kUsed},
    {"router_type", kUsed},
    {"scoring_func", kUsed},
    {"softmax_after_topk", kUsed},
    {"routed_scaling_factor", kUsed},
    {"topk_method", kUsed},
    {"n_group", kUsed},
    {"topk_group", kUsed},
    {"n_device_groups", kUsed},
    {"topk_device_groups", kUsed},
    {"noisy_top_k", kUsed},
    {"router_bias", kUsed},
    {"first_k_dense_replace", kUsed},
    {"moe_layer_freq", kUsed},
    {"decoder_sparse_step", kUsed},
    {"mlp_only_layers", kUsed},
    {"moe_intermediate_size", kUsed},
    {"n_shared_experts", kUsed},
    {"shared_expert_intermediate_size", kUsed},
    {"shared_expert_gate", kUsed},
    {"hidden_act", kUsed},
    {"is_gated_act", kUsed},
    {"initializer", kUsed},
    {"initializer_scale", kUsed},

    // How files were made, which class loads them, what a call returns, and
    // tokens that only generation knows.
    {"_attn_implementation_autoset", kIgnored},
    {"_name_or_path", kIgnored},
    {"architectures", kIgnored},
    {"bos_token_id", kIgnored},
    {"eos_token_id", kIgnored},
    {"id2label", kIgnored},
    {"is_llama_config", kIgnored},
    {"label2id", kIgnored},
    {"output_attentions", kIgnored},
    {"output_hidden_states", kIgnored},
    {"output_router_logits", kIgnored},
    {"return_dict", kIgnored},
    {"tokenizer_class", kIgnored},
    {"torchscript", kIgnored},
    {"transformers.js_config", kIgnored},
    {"transformers_version", kIgnored},
    {"use_cache", kIgnored},

    {"attention_dropout", kOnlyThis, "0.0"},
    {"clip_qkv", kOnlyThis, "null"},
    {"mlp_bias", kOnlyThis, "false"},
    {"partial_rotary_factor", kOnlyThis, "1.0"},
    {"pretraining_tp", kOnlyThis, "1"},
    {"quantization_config", kOnlyThis, "null"},
    {"rope_interleaved", kOnlyThis, "false"},
    {"rope_scaling", kOnlyThis, "null"},
    {"router_jitter_noise", kOnlyThis, "0.0"},
    {"tie_word_embeddings", kOnlyThis, "false"},
};

}  // namespace

absl::Span<const ConfigKey> ConfigKeys() { return kKeys; }

const ConfigKey* FindConfigKey(absl::string_view name) {
  for (const ConfigKey& key : kKeys) {
    if (name == key.name) return &key;
  }
  return nullptr;
}

}  // namespace switchyard::internal
