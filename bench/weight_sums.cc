// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/bench/weight_sums.h"

#include <numeric>

#include "switchyard/bench/float_sum.h"
#include "switchyard/kernels/matmul.h"

namespace switchyard::bench {
namespace {

Shape MatrixShape(const std::vector<int64_t>& rows, int64_t columns) {
  return {std::accumulate(rows.begin(), rows.end(), int64_t{0}), columns};
}

}  // namespace

WeightSums::WeightSums(Device& device,
                       const std::vector<int64_t>& parameter_rows,
                       int64_t columns)
    : integers_(device, DType::kInt64, MatrixShape(parameter_rows, columns)),
      floats_(device, DType::kFloat32, integers_.view().shape()),
      refused_(device, DType::kInt64, {1}) {
  int64_t row = 0;
  for (const int64_t rows : parameter_rows) {
    gradients_.push_back({integers_.view().Rows(row, row + rows), refused_});
    row += rows;
  }
}

void WeightSums::Zero(Stream& stream) {
  stream.Zero(integers_);
  stream.Zero(floats_);
  stream.Zero(refused_);
}

void WeightSums::AddFloat(Stream& stream, GradientWay way,
                          const ConstTensorView& dy, const ConstTensorView& x,
                          const TensorView& leaf) const {
  const bool accumulate = way == GradientWay::kAccumulate;
  const TensorView& sum = floats_.view();
  const TensorView product =
      accumulate ? sum
                 : leaf.Rows(0, sum.element_count()).Reshaped(sum.shape());
  kernels::MatMul(stream, {.a = dy,
                           .transpose_a = kernels::Transpose::kYes,
                           .b = x,
                           .c = product,
                           .accumulate = accumulate});
  if (!accumulate) AddToFloatSum(stream, product, sum);
}

}  // namespace switchyard::bench
