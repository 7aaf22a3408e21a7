// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A dense feed-forward network, applied to all tokens of a micro-batch:
//
//   y = (f(x gateᵀ) · (x upᵀ)) downᵀ      (names of Hugging Face's Llama)
//   y = f(x upᵀ) downᵀ                    if there is no gate
//
// with the model's activation f (kernels/activation.h).
#ifndef SWITCHYARD_RUNTIME_NN_FEED_FORWARD_H_
#define SWITCHYARD_RUNTIME_NN_FEED_FORWARD_H_

#include <string>
#include <vector>

#include "switchyard/kernels/activation.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

class FeedForward {
 public:
  // `width` is the inner one, `prefix` such as "model.layers.0.mlp".
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      int64_t width, const std::string& prefix);
  FeedForward(const ParameterStore& store, const ModelConfig& config,
              int64_t width, const std::string& prefix);

  // Makes the primitives for micro-batches of `tokens` tokens.
  static void Prepare(DType dtype, int64_t tokens, const ModelConfig& config,
                      int64_t width);

  struct Saved {
    ConstTensorView input;  // [tokens, hidden]
    TensorView inner;       // [tokens, 2 · width or width]
    ConstTensorView act;    // [tokens, width]
  };
  // Writes `output` [tokens, hidden].
  Saved Forward(const Execution& run, const ConstTensorView& input,
                const TensorView& output) const;
  // Writes `dinput` [tokens, hidden]. Overwrites the saved inner by its
  // gradient.
  void Backward(const Execution& run, const Saved& saved,
                const ConstTensorView& doutput, const TensorView& dinput) const;

 private:
  int64_t width_;
  kernels::ActivationKind activation_;
  ConstTensorView inner_weight_;  // gate above up, or up
  std::vector<kernels::GradientSum> inner_gradients_;
  const Parameter& down_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_FEED_FORWARD_H_
