// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Causal self-attention with grouped queries and rotary positions, without
// biases (Vaswani et al., 1706.03762; Ainslie et al., 2305.13245; Su et al.,
// 2104.09864; names and order of Hugging Face's Mixtral). With H query heads, G
// key/value heads of d = head_dim elements, and R_t the rotation of position t
// in its sequence:
//
//   q_t = R_t (x_t Wqᵀ)   k_t = R_t (x_t Wkᵀ)   v_t = x_t Wvᵀ      by head
//   c_t = sum over s <= t of softmax_s(q_t · k_s / sqrt(d)) v_s
//   y_t = c_t Woᵀ
//
// Query head h reads key/value head h / (H/G). R_t turns the pair (i, i + d/2)
// by the angle t · theta^(-2i/d) (kernels/rotary_embedding.h). Wq [H d,
// hidden], Wk and Wv [G d, hidden], Wo [hidden, H d].
#ifndef SWITCHYARD_RUNTIME_NN_ATTENTION_H_
#define SWITCHYARD_RUNTIME_NN_ATTENTION_H_

#include <array>
#include <string>

#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

// Cosines and sines of all positions of a sequence, shared by all layers.
struct RotaryTables {
  Storage storage;
  TensorView cos;  // fp32 [sequence_length, head_dim / 2]
  TensorView sin;
};
RotaryTables MakeRotaryTables(Stream& stream, const ModelConfig& config,
                              int64_t sequence_length);

class Attention {
 public:
  // `prefix` is that of the layer: "model.layers.0".
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix);
  Attention(const ParameterStore& store, const ModelConfig& config,
            const std::string& prefix);

  struct Saved {
    ConstTensorView input;      // [tokens, hidden]
    TensorView qkv;             // [tokens, (H + 2G) head_dim], q and k rotated
    ConstTensorView context;    // [tokens, H · head_dim]
    ConstTensorView logsumexp;  // fp32 [tokens, H]
  };
  // Writes `output` [tokens, hidden]; tokens are whole sequences.
  Saved Forward(const Execution& run, const RotaryTables& rotary,
                const ConstTensorView& input, const TensorView& output) const;

  // Gradient of the input, [tokens, hidden].
  TensorView Backward(const Execution& run, const RotaryTables& rotary,
                      const Saved& saved, const ConstTensorView& doutput) const;

 private:
  struct Heads {
    TensorView q, k, v;  // [tokens, heads, head_dim], strided
  };
  Heads Split(const TensorView& qkv) const;
  void RotateQueriesAndKeys(const Execution& run, const RotaryTables& rotary,
                            const TensorView& qkv, bool backward) const;

  int64_t heads_, kv_heads_, head_dim_;
  float scale_;
  ConstTensorView qkv_weight_;
  std::array<kernels::GradientSum, 3> qkv_gradients_;
  const Parameter& output_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_ATTENTION_H_
