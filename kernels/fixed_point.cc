// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/fixed_point.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/fixed_point.h"

namespace switchyard::kernels {

void AddToFixedPoint(Stream& stream, const ConstTensorView& leaf,
                     const FixedPoint& format, const GradientSum& gradient) {
  CheckCpu(stream);
  CheckFixedPoint(format);
  CheckDType(leaf, DType::kFloat32);
  CheckGradientSum(gradient, leaf.shape());
  stream.Enqueue([leaf, format, gradient, threads = stream.device().threads()] {
    cpu::AddToFixedPoint(leaf, format, gradient, threads);
  });
}

void FromFixedPoint(Stream& stream, const ConstTensorView& sum,
                    const FixedPoint& format, const TensorView& values) {
  CheckCpu(stream);
  CheckFixedPoint(format);
  CheckDType(sum, DType::kInt64);
  CheckDType(values, DType::kFloat32);
  CheckShape(values, sum.shape());
  stream.Enqueue([sum, format, values, threads = stream.device().threads()] {
    cpu::FromFixedPoint(sum, format, values, threads);
  });
}

}  // namespace switchyard::kernels
