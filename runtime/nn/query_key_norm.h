// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// RMSNorm of queries and keys before they are rotated (Henry et al.,
// 2010.04245; Dehghani et al., 2302.05442), which bounds attention's scores.
// With H query heads, G key/value heads of d elements:
//
//   QkNorm::kHead  every head by itself: weights [d] and [d], of all heads
//   QkNorm::kFull  all heads of a token together: weights [H d] and [G d]
//
// Names and order as in Hugging Face's Qwen3 and OLMoE; kernels/rms_norm.h has
// the formulas.
#ifndef SWITCHYARD_RUNTIME_NN_QUERY_KEY_NORM_H_
#define SWITCHYARD_RUNTIME_NN_QUERY_KEY_NORM_H_

#include <string>

#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

class QueryKeyNorm {
 public:
  // `prefix` is attention's: "model.layers.0.self_attn". Without a norm in the
  // config, nothing.
  static void Declare(ParameterStore& store, const ModelConfig& config,
                      const std::string& prefix);
  QueryKeyNorm(const ParameterStore& store, const ModelConfig& config,
               const std::string& prefix);

  bool exists() const { return query_.weight != nullptr; }

  struct Saved {
    ConstTensorView input;  // [tokens, (H + G) d]: queries, then keys
    TensorView output;      // likewise, normalised
    ConstTensorView query_inverse_rms;  // fp32 [tokens, H] or [tokens]
    ConstTensorView key_inverse_rms;    // fp32 [tokens, G] or [tokens]
  };
  // `input`'s rows may be strided. A norm must exist.
  Saved Forward(const Execution& run, const ConstTensorView& input) const;
  // `gradient` [tokens, (H + G) d], may be strided: of the output; it becomes
  // that of the input. Scratch memory stays taken until the caller's scope
  // ends.
  void Backward(const Execution& run, const Saved& saved,
                const TensorView& gradient) const;

 private:
  struct Part {
    const Parameter* weight = nullptr;
    int64_t begin = 0, end = 0;  // columns
  };
  // The part's columns as the norm takes them.
  ConstTensorView Groups(const Part& part, const ConstTensorView& all) const;
  TensorView Groups(const Part& part, const TensorView& all) const;
  ConstTensorView NormalizePart(const Execution& run, const Part& part,
                                const ConstTensorView& input,
                                const TensorView& output) const;
  void PartBackward(const Execution& run, const Part& part,
                    const ConstTensorView& input,
                    const ConstTensorView& inverse_rms,
                    const TensorView& gradient) const;

  Part query_, key_;
  float eps_ = 0.0f;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_QUERY_KEY_NORM_H_
