// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// RMSNorm (Zhang and Sennrich, 1910.07467) with its parameter w and the
// residual add in front of it, for each row of `width` elements:
//
//   s = base + delta
//   y = cast(s / sqrt(mean(s²) + eps)) · w
//
// The mean and the quotient are fp32, cast to the model's dtype before w as
// Hugging Face does. kernels/rms_norm.h has the gradients; w's is summed over
// the micro-batch in fp32 and then added to its fixed-point sum.
#ifndef SWITCHYARD_RUNTIME_NN_NORM_H_
#define SWITCHYARD_RUNTIME_NN_NORM_H_

#include <string>

#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

// The residual stream between two modules: `base` plus what the last module
// made of it. The sum is formed where it is next normalised.
struct Residual {
  ConstTensorView base;   // [rows, width]
  ConstTensorView delta;  // as base; undefined: nothing to add
};

class Norm {
 public:
  // w [width], initially 1.
  static void Declare(ParameterStore& store, const std::string& name,
                      int64_t width);
  Norm(const ParameterStore& store, const std::string& name, float eps);

  struct Saved {
    ConstTensorView sum;          // base + delta: what was normalised
    ConstTensorView output;       // [rows, width]
    ConstTensorView inverse_rms;  // fp32 [rows]: 1 / sqrt(mean(s²) + eps)
  };
  // `sum` is where base + delta goes if it must outlive the scope; undefined:
  // it gets memory of its own, if there is something to add.
  Saved Forward(const Execution& run, const Residual& input,
                const TensorView& sum = TensorView()) const;

  // Gradient of the sum, given those of the output and of whatever else uses
  // the sum. `dsum` is overwritten by it; undefined: nothing else, and a new
  // tensor is returned.
  TensorView Backward(const Execution& run, const Saved& saved,
                      const ConstTensorView& doutput,
                      const TensorView& dsum) const;

  int parameter_index() const { return weight_.index; }

 private:
  const Parameter& weight_;
  float eps_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_NORM_H_
