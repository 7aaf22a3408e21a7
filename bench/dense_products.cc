// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/bench/dense_products.h"

#include <utility>

#include "switchyard/bench/small_model.h"
#include "switchyard/kernels/matmul.h"

namespace switchyard::bench {

DenseProducts::DenseProducts(Stream& stream, DType dtype)
    : stream_(stream),
      leaf_(stream.device(), DType::kFloat32,
            {(kQuery + 2 * kKeyValue) * kHidden}) {
  Add(dtype, {kVocabulary});
  for (int layer = 0; layer < kLayers; ++layer) {
    Add(DType::kFloat32, {kExperts});
    Add(dtype, {kHidden});
    Add(dtype, {kQuery, kKeyValue, kKeyValue});
  }
}

void DenseProducts::Add(DType dtype,
                        const std::vector<int64_t>& parameter_rows) {
  Device& device = stream_.device();
  WeightSums sums(device, parameter_rows, kHidden);
  BenchTensor dy(device, dtype, {kMicroBatchRows, sums.floats().dim(0)});
  BenchTensor x(device, dtype, {kMicroBatchRows, kHidden});
  FillEighths(2 * products_.size(), dy);
  FillEighths(2 * products_.size() + 1, x);
  products_.push_back({std::move(dy), std::move(x), std::move(sums)});
}

void DenseProducts::RunRound(GradientWay way) {
  for (const Product& product : products_) {
    if (way == GradientWay::kLayout) {
      kernels::WeightGradient(stream_,
                              {.dy = product.dy,
                               .x = product.x,
                               .format = {},
                               .gradients = product.sums.fixed_point()});
    } else {
      product.sums.AddFloat(stream_, way, product.dy, product.x, leaf_);
    }
  }
}

bool DenseProducts::Verify() {
  for (const GradientWay way :
       {GradientWay::kLeafThenAdd, GradientWay::kAccumulate}) {
    for (Product& product : products_) product.sums.Zero(stream_);
    for (int round = 0; round < kMicroBatchesPerRank; ++round) {
      RunRound(GradientWay::kLayout);
      RunRound(way);
    }
    stream_.Wait();
    for (const Product& product : products_) {
      if (!product.sums.Agree()) return false;
    }
  }
  return true;
}

}  // namespace switchyard::bench
