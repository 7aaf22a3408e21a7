// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The nine matrix products of the SwiGLU experts (gate and up are one matrix),
// three forward, three for the inputs' gradients, three for the weights', in
// all layers of a rank. A round is what one arrival brings: the next
// micro-batch of each rank of the group.
#ifndef SWITCHYARD_BENCH_EXPERT_PRODUCTS_H_
#define SWITCHYARD_BENCH_EXPERT_PRODUCTS_H_

#include <vector>

#include "switchyard/base/stream.h"
#include "switchyard/bench/bench_tensor.h"
#include "switchyard/bench/gradient_way.h"
#include "switchyard/bench/weight_sums.h"
#include "switchyard/kernels/segments.h"

namespace switchyard::bench {

class ExpertProducts {
 public:
  // At expert-parallel width W a rank owns 1/W of the experts, and W
  // micro-batches arrive at once. `dtype` is that of weights and activations.
  ExpertProducts(Stream& stream, DType dtype, int width);

  void RunRound(GradientWay way);
  // All ways give the same numbers over a step's rounds. Values are such that
  // nothing is rounded but results to `dtype`, so the tolerance is zero.
  bool Verify();
  // Operations of a round; a multiply-add is two.
  double OperationCount() const;

 private:
  // Activations with the rows of each expert together: padded segments, and
  // without padding.
  struct Rows {
    Rows(const ExpertProducts& owner, uint64_t seed, int64_t columns);
    BenchTensor padded, joined;
  };
  struct Layer {
    std::vector<BenchTensor> gate_up, down;  // weights by expert
    std::vector<ConstTensorView> gate_up_views, down_views;
    std::vector<WeightSums> gate_up_sums, down_sums;
    std::vector<kernels::GradientSum> gate_up_gradients, down_gradients;
  };
  struct Output {
    Output(const ExpertProducts& owner, int64_t columns);
    BenchTensor padded, joined;
  };

  void MakeSegments();
  Layer MakeLayer(int index) const;
  void Forward(const Layer& layer, GradientWay way);
  void Backward(const Layer& layer, GradientWay way);
  void Product(GradientWay way, const Rows& x,
               const std::vector<ConstTensorView>& weights, bool transpose,
               const Output& y);
  void WeightProduct(GradientWay way, const Rows& dy, const Rows& x,
                     const std::vector<kernels::GradientSum>& gradients,
                     int parameters_per_expert,
                     const std::vector<WeightSums>& sums);
  bool SameRows(const Output& output) const;
  bool SameSums() const;

  Stream& stream_;
  const DType dtype_;
  const int width_;
  const int expert_count_;
  std::vector<kernels::Segment> segments_;
  std::vector<int64_t> expert_begin_;  // in joined rows; one more at the end
  int64_t padded_rows_ = 0;
  std::vector<Layer> layers_;
  std::vector<Rows> inputs_;     // of the functions below, by InputIndex
  std::vector<Output> outputs_;  // by OutputIndex
  BenchTensor leaf_;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_EXPERT_PRODUCTS_H_
