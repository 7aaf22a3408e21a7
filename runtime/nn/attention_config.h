// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model's attention is, beyond its sizes (model_config.h).
#ifndef SWITCHYARD_RUNTIME_NN_ATTENTION_CONFIG_H_
#define SWITCHYARD_RUNTIME_NN_ATTENTION_CONFIG_H_

#include <cstdint>

namespace switchyard {

// Key "qk_norm": how queries and keys are normalised before they are rotated.
enum class QkNorm {
  kNone,
  kHead,  // "head": each head by itself, over head_dim elements, all heads with
          // the same weight (Hugging Face's Qwen3)
  kFull,  // "full": all heads of a token together (Hugging Face's OLMoE)
};

// Which projections add a bias.
enum class AttentionBias {
  kNone,
  kQkv,  // key "qkv_bias": queries, keys and values (Qwen2-MoE)
  kAll,  // key "attention_bias": the output too (Llama, Qwen3)
};

struct AttentionConfig {
  QkNorm qk_norm = QkNorm::kNone;
  AttentionBias bias = AttentionBias::kNone;
  // Keys "sliding_window" and "use_sliding_window": a position sees the last so
  // many, itself included (i - window < j <= i). 0: all before it.
  int64_t window = 0;

  bool qkv_bias() const { return bias != AttentionBias::kNone; }
  bool output_bias() const { return bias == AttentionBias::kAll; }
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_ATTENTION_CONFIG_H_
