// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/fixed_point.h"

#include <cmath>

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/fixed_point.h"
#include "switchyard/kernels/cuda/fixed_point.h"

namespace switchyard::kernels {

FixedPoint FixedPoint::ForMicroBatches(int fraction_bits,
                                       int64_t micro_batches) {
  SWITCHYARD_CHECK(fraction_bits >= 0 && fraction_bits <= 62 &&
                   micro_batches >= 1)
      << fraction_bits << " bits, " << micro_batches << " micro-batches";
  // A leaf is below the limit, so at most the next smaller fp32 number:
  // rounding the limit up lets no sum past 2^63.
  return {fraction_bits,
          static_cast<float>(std::ldexp(1.0, 63 - fraction_bits) /
                             static_cast<double>(micro_batches))};
}

void AddToFixedPoint(Stream& stream, const ConstTensorView& leaf,
                     const FixedPoint& format, const GradientSum& gradient) {
  CheckFixedPoint(format);
  CheckDType(leaf, DType::kFloat32);
  CheckGradientSum(stream, gradient, leaf.shape());
  SWITCHYARD_RETURN_IF_CUDA(
      stream, cuda::AddToFixedPoint(stream, leaf, format, gradient));
  stream.Enqueue([leaf, format, gradient, threads = stream.device().threads()] {
    cpu::AddToFixedPoint(leaf, format, gradient, threads);
  });
}

void FromFixedPoint(Stream& stream, const ConstTensorView& sum,
                    const FixedPoint& format, const TensorView& values) {
  CheckFixedPoint(format);
  CheckDType(sum, GradientSumDType(stream, sum));
  CheckDType(values, DType::kFloat32);
  CheckShape(values, sum.shape());
  SWITCHYARD_RETURN_IF_CUDA(stream,
                            cuda::FromFixedPoint(stream, sum, format, values));
  stream.Enqueue([sum, format, values, threads = stream.device().threads()] {
    cpu::FromFixedPoint(sum, format, values, threads);
  });
}

}  // namespace switchyard::kernels
