// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The weight gradients of the dense layers (projections, router, head). A round
// is one micro-batch.
#ifndef SWITCHYARD_BENCH_DENSE_PRODUCTS_H_
#define SWITCHYARD_BENCH_DENSE_PRODUCTS_H_

#include <vector>

#include "switchyard/base/stream.h"
#include "switchyard/bench/bench_tensor.h"
#include "switchyard/bench/gradient_way.h"
#include "switchyard/bench/weight_sums.h"

namespace switchyard::bench {

class DenseProducts {
 public:
  // The router is fp32 whatever `dtype`.
  DenseProducts(Stream& stream, DType dtype);

  void RunRound(GradientWay way);
  // As ExpertProducts::Verify.
  bool Verify();

 private:
  struct Product {
    BenchTensor dy, x;
    WeightSums sums;
  };
  void Add(DType dtype, const std::vector<int64_t>& parameter_rows);

  Stream& stream_;
  std::vector<Product> products_;
  BenchTensor leaf_;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_DENSE_PRODUCTS_H_
