// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/bias.h"

#include "switchyard/kernels/bias.h"

namespace switchyard {

void Bias::Declare(ParameterStore& store, const std::string& name,
                   int64_t width) {
  store.Declare(name, {width}, ParameterStore::Kind::kBias, 0.0f);
}

Bias::Bias(const ParameterStore& store, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    parameters_.push_back(&store.Get(name));
  }
  const ConstTensorView fused = Fused(parameters_);
  values_ = fused.Reshaped({fused.dim(0)});
}

void Bias::Add(const Execution& run, const TensorView& y) const {
  if (parameters_.empty()) return;
  kernels::AddBias(run.stream, values_, y);
}

void Bias::Backward(const Execution& run, const ConstTensorView& dy) const {
  if (parameters_.empty()) return;
  const TensorView leaf = run.New(DType::kFloat32, values_.shape());
  kernels::BiasGradient(run.stream, dy, leaf);
  int64_t begin = 0;
  for (const Parameter* parameter : parameters_) {
    const int64_t end = begin + parameter->element_count();
    kernels::AddToFixedPoint(run.stream, leaf.Rows(begin, end), run.format,
                             parameter->gradient);
    begin = end;
  }
}

}  // namespace switchyard
