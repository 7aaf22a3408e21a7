// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Causal self-attention with grouped queries and rotary positions, without
// biases (2305.13245; names and order of Hugging Face's Mixtral).
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
