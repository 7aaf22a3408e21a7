// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/norm.h"

#include "switchyard/kernels/rms_norm.h"

namespace switchyard {

void Norm::Declare(ParameterStore& store, const std::string& name,
                   int64_t width) {
  store.Declare(name, {width}, ParameterStore::Kind::kNorm, 0.0f);
}

Norm::Norm(const ParameterStore& store, const std::string& name, float eps)
    : weight_(store.Get(name)), eps_(eps) {}

Norm::Saved Norm::Forward(const Execution& run, const Residual& input,
                          const TensorView& sum) const {
  const Shape& shape = input.base.shape();
  const DType dtype = input.base.dtype();
  kernels::RmsNormArgs args;
  args.x = input.base;
  args.add = input.delta;
  args.weight = weight_.weight;
  args.eps = eps_;
  if (input.delta.defined()) {
    args.sum = sum.defined() ? sum : run.New(dtype, shape);
  }
  args.y = run.New(dtype, shape);
  args.inverse_rms = run.New(DType::kFloat32, {shape[0]});
  kernels::RmsNorm(run.stream, args);
  return {input.delta.defined() ? ConstTensorView(args.sum) : input.base,
          args.y, args.inverse_rms};
}

TensorView Norm::Backward(const Execution& run, const Saved& saved,
                          const ConstTensorView& doutput,
                          const TensorView& dsum) const {
  kernels::RmsNormBackwardArgs args;
  args.dy = doutput;
  args.x = saved.sum;
  args.weight = weight_.weight;
  args.inverse_rms = saved.inverse_rms;
  args.dsum = dsum;
  args.dx =
      dsum.defined() ? dsum : run.New(saved.sum.dtype(), saved.sum.shape());
  args.dweight = run.New(DType::kFloat32, weight_.shape);
  kernels::RmsNormBackward(run.stream, args);
  kernels::AddToFixedPoint(run.stream, args.dweight, run.format,
                           weight_.gradient);
  return args.dx;
}

}  // namespace switchyard
