// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Causal self-attention with grouped queries and rotary positions (Vaswani et
// al., 1706.03762; Ainslie et al., 2305.13245; Su et al., 2104.09864; names and
// order of Hugging Face's Mixtral). With H query heads, G key/value heads of
// d = head_dim elements, and R_t the rotation of position t in its sequence:
//
//   q_t = R_t N(x_t Wqᵀ + bq)   k_t = R_t N(x_t Wkᵀ + bk)   v_t = x_t Wvᵀ + bv
//   c_t = sum over t - W < s <= t of softmax_s(q_t · k_s / sqrt(d)) v_s
//   y_t = c_t Woᵀ + bo
//
// The norm N (query_key_norm.h), the biases b and the window W are left out
// unless the config asks for them (attention_config.h). G = H is multi-head
// attention, G = 1 multi-query attention (Shazeer, 1911.02150).
//
// Query head h reads key/value head h / (H/G). R_t turns the pair (i, i + d/2)
// by the angle t · theta^(-2i/d) (kernels/rotary_embedding.h). Wq [H d,
// hidden], Wk and Wv [G d, hidden], Wo [hidden, H d].
#ifndef SWITCHYARD_RUNTIME_NN_ATTENTION_H_
#define SWITCHYARD_RUNTIME_NN_ATTENTION_H_

#include <array>
#include <string>

#include "switchyard/runtime/generate/kv_cache.h"
#include "switchyard/runtime/nn/bias.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"
#include "switchyard/runtime/nn/query_key_norm.h"

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
    ConstTensorView input;  // [tokens, hidden]
    TensorView qkv;  // [tokens, (H + 2G) head_dim]; q and k rotated, or as
                     // the norm read them if there is one
    QueryKeyNorm::Saved norm;   // its output rotated; empty without a norm
    ConstTensorView context;    // [tokens, H · head_dim]
    ConstTensorView logsumexp;  // fp32 [tokens, H]
  };
  // Writes `output` [tokens, hidden]; tokens are whole sequences.
  Saved Forward(const Execution& run, const RotaryTables& rotary,
                const ConstTensorView& input, const TensorView& output) const;

  // The same for the positions that follow those in the cache, and puts theirs
  // there. Tokens are as many positions of each of the cache's sequences.
  void ForwardCached(const Execution& run, const RotaryTables& rotary,
                     const KvCache::Layer& cache, const ConstTensorView& input,
                     const TensorView& output) const;

  // Gradient of the input, [tokens, hidden].
  TensorView Backward(const Execution& run, const RotaryTables& rotary,
                      const Saved& saved, const ConstTensorView& doutput) const;

 private:
  struct Heads {
    TensorView q, k, v;  // [tokens, heads, head_dim], strided
  };
  // The positions of a row's sequence that are there.
  struct Positions {
    int64_t first = 0;
    int64_t count = 0;
  };
  Heads Split(const TensorView& qkv) const;
  // Of the saved state, what comes before attention.
  Saved Project(const Execution& run, const RotaryTables& rotary,
                const Positions& positions, const ConstTensorView& input) const;
  void Attend(const Execution& run, int64_t sequence_length, Saved& saved,
              const TensorView& context) const;
  void ProjectOutput(const Execution& run, const ConstTensorView& context,
                     const TensorView& output) const;
  // What attention read: q and k of the norm if there is one.
  Heads Inputs(const TensorView& qkv, const QueryKeyNorm::Saved& norm) const;
  TensorView QueriesAndKeys(const TensorView& qkv) const;
  // The heads' gradients, those of the projections' outputs.
  TensorView HeadsBackward(const Execution& run, const RotaryTables& rotary,
                           const Saved& saved,
                           const TensorView& dcontext) const;
  void RotateQueriesAndKeys(const Execution& run, const RotaryTables& rotary,
                            const Positions& positions,
                            const TensorView& queries_and_keys,
                            bool backward) const;

  int64_t heads_, kv_heads_, head_dim_;
  float scale_;
  int64_t window_;
  ConstTensorView qkv_weight_;
  std::array<kernels::GradientSum, 3> qkv_gradients_;
  const Parameter& output_;
  Bias qkv_bias_, output_bias_;
  QueryKeyNorm norm_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_ATTENTION_H_
