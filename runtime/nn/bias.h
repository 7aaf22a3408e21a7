// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The biases b of dense layers that are made by one product: y = x · wᵀ + b.
// Their gradient, the sum of dy's rows over the micro-batch in fp32, is a leaf
// of the fixed-point sums (kernels/bias.h). Initially 0, as Hugging Face's;
// weight decay leaves them alone unless norms decay too.
#ifndef SWITCHYARD_RUNTIME_NN_BIAS_H_
#define SWITCHYARD_RUNTIME_NN_BIAS_H_

#include <string>
#include <vector>

#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

class Bias {
 public:
  static void Declare(ParameterStore& store, const std::string& name,
                      int64_t width);
  // None: its functions do nothing.
  Bias() = default;
  // One after the other in memory, and in the columns of y.
  Bias(const ParameterStore& store, const std::vector<std::string>& names);

  // y [tokens, width] += b.
  void Add(const Execution& run, const TensorView& y) const;
  // Adds to b's gradient; dy [tokens, width]. Scratch memory stays taken until
  // the caller's scope ends.
  void Backward(const Execution& run, const ConstTensorView& dy) const;

 private:
  std::vector<const Parameter*> parameters_;
  ConstTensorView values_;  // [width]
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_BIAS_H_
