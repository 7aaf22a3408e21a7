// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A weight matrix's gradient, summed in fixed point and in fp32.
#ifndef SWITCHYARD_BENCH_WEIGHT_SUMS_H_
#define SWITCHYARD_BENCH_WEIGHT_SUMS_H_

#include <vector>

#include "switchyard/base/stream.h"
#include "switchyard/bench/bench_tensor.h"
#include "switchyard/bench/gradient_way.h"
#include "switchyard/kernels/fixed_point.h"

namespace switchyard::bench {

class WeightSums {
 public:
  // Rows of the parameters that are one matrix of `columns` columns.
  WeightSums(Device& device, const std::vector<int64_t>& parameter_rows,
             int64_t columns);

  // One for each parameter.
  const std::vector<kernels::GradientSum>& fixed_point() const {
    return gradients_;
  }
  const TensorView& floats() const { return floats_; }

  void Zero(Stream& stream);
  bool Agree() const { return SameNumbers(integers_, floats_); }

  // Adds dyᵀ · x to the fp32 sum by one of its two ways. `leaf` has room for
  // the matrix.
  void AddFloat(Stream& stream, GradientWay way, const ConstTensorView& dy,
                const ConstTensorView& x, const TensorView& leaf) const;

 private:
  BenchTensor integers_;
  BenchTensor floats_;
  BenchTensor refused_;
  std::vector<kernels::GradientSum> gradients_;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_WEIGHT_SUMS_H_
