// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/bench/expert_products.h"

#include <cstring>

#include "switchyard/bench/small_model.h"
#include "switchyard/kernels/matmul.h"

namespace switchyard::bench {
namespace {

using kernels::Transpose;

enum InputIndex { kX, kAct, kDy, kDGateUp };
enum OutputIndex { kGateUp, kY, kDAct, kDx };

}  // namespace

ExpertProducts::Rows::Rows(const ExpertProducts& owner, uint64_t seed,
                           int64_t columns)
    : padded(owner.stream_.device(), owner.dtype_,
             {owner.padded_rows_, columns}),
      joined(owner.stream_.device(), owner.dtype_,
             {owner.expert_begin_.back(), columns}) {
  FillEighths(seed, joined);
  owner.stream_.Zero(padded);
  int64_t row = 0;
  for (const kernels::Segment& segment : owner.segments_) {
    owner.stream_.Copy(
        padded.view().Rows(segment.row, segment.row + segment.rows),
        joined.view().Rows(row, row + segment.rows));
    row += segment.rows;
  }
}

ExpertProducts::Output::Output(const ExpertProducts& owner, int64_t columns)
    : padded(owner.stream_.device(), owner.dtype_,
             {owner.padded_rows_, columns}),
      joined(owner.stream_.device(), owner.dtype_,
             {owner.expert_begin_.back(), columns}) {}

ExpertProducts::ExpertProducts(Stream& stream, DType dtype, int width)
    : stream_(stream),
      dtype_(dtype),
      width_(width),
      expert_count_(kExperts / width),
      leaf_(stream.device(), DType::kFloat32, {2 * kIntermediate * kHidden}) {
  MakeSegments();
  kernels::PrepareGrouped(dtype, kMicroBatchRows, kHidden, 2 * kIntermediate);
  kernels::PrepareGrouped(dtype, kMicroBatchRows, kHidden, kIntermediate);
  kernels::PrepareGrouped(dtype, kMicroBatchRows, kIntermediate, kHidden);
  for (int i = 0; i < kLayers; ++i) layers_.push_back(MakeLayer(i));
  for (const int64_t columns :
       {kHidden, kIntermediate, kHidden, 2 * kIntermediate}) {
    inputs_.emplace_back(*this, inputs_.size() + 1, columns);
  }
  for (const int64_t columns :
       {2 * kIntermediate, kHidden, kIntermediate, kHidden}) {
    outputs_.emplace_back(*this, columns);
  }
}

void ExpertProducts::MakeSegments() {
  int64_t joined_row = 0;
  for (int expert = 0; expert < expert_count_; ++expert) {
    expert_begin_.push_back(joined_row);
    for (int batch = 0; batch < width_; ++batch) {
      const int64_t rows = kExpertRows[expert + batch * expert_count_];
      const int64_t padded = kernels::PaddedRows(rows);
      segments_.push_back({expert, padded_rows_, rows, padded});
      padded_rows_ += padded;
      joined_row += rows;
    }
  }
  expert_begin_.push_back(joined_row);
}

ExpertProducts::Layer ExpertProducts::MakeLayer(int index) const {
  Device& device = stream_.device();
  Layer layer;
  for (int e = 0; e < expert_count_; ++e) {
    const uint64_t seed = 100 + 2 * (index * kExperts + e);
    layer.gate_up.emplace_back(device, dtype_,
                               Shape{2 * kIntermediate, kHidden});
    layer.down.emplace_back(device, dtype_, Shape{kHidden, kIntermediate});
    FillEighths(seed, layer.gate_up.back());
    FillEighths(seed + 1, layer.down.back());
    layer.gate_up_views.push_back(layer.gate_up.back());
    layer.down_views.push_back(layer.down.back());
    layer.gate_up_sums.emplace_back(
        device, std::vector<int64_t>{kIntermediate, kIntermediate}, kHidden);
    layer.down_sums.emplace_back(device, std::vector<int64_t>{kHidden},
                                 kIntermediate);
    for (const auto& gradient : layer.gate_up_sums.back().fixed_point()) {
      layer.gate_up_gradients.push_back(gradient);
    }
    layer.down_gradients.push_back(layer.down_sums.back().fixed_point()[0]);
  }
  return layer;
}

void ExpertProducts::RunRound(GradientWay way) {
  for (const Layer& layer : layers_) Forward(layer, way);
  for (auto it = layers_.rbegin(); it != layers_.rend(); ++it) {
    Backward(*it, way);
  }
}

void ExpertProducts::Forward(const Layer& layer, GradientWay way) {
  Product(way, inputs_[kX], layer.gate_up_views, true, outputs_[kGateUp]);
  Product(way, inputs_[kAct], layer.down_views, true, outputs_[kY]);
}

void ExpertProducts::Backward(const Layer& layer, GradientWay way) {
  WeightProduct(way, inputs_[kDy], inputs_[kAct], layer.down_gradients, 1,
                layer.down_sums);
  Product(way, inputs_[kDy], layer.down_views, false, outputs_[kDAct]);
  WeightProduct(way, inputs_[kDGateUp], inputs_[kX], layer.gate_up_gradients, 2,
                layer.gate_up_sums);
  Product(way, inputs_[kDGateUp], layer.gate_up_views, false, outputs_[kDx]);
}

void ExpertProducts::Product(GradientWay way, const Rows& x,
                             const std::vector<ConstTensorView>& weights,
                             bool transpose, const Output& y) {
  const Transpose transpose_w = transpose ? Transpose::kYes : Transpose::kNo;
  if (way == GradientWay::kLayout) {
    kernels::GroupedMatMul(stream_, {.x = x.padded,
                                     .weights = weights,
                                     .transpose_w = transpose_w,
                                     .segments = segments_,
                                     .y = y.padded});
    return;
  }
  for (int e = 0; e < expert_count_; ++e) {
    const int64_t begin = expert_begin_[e], end = expert_begin_[e + 1];
    kernels::MatMul(stream_, {.a = x.joined.view().Rows(begin, end),
                              .b = weights[e],
                              .transpose_b = transpose_w,
                              .c = y.joined.view().Rows(begin, end)});
  }
}

void ExpertProducts::WeightProduct(
    GradientWay way, const Rows& dy, const Rows& x,
    const std::vector<kernels::GradientSum>& gradients,
    int parameters_per_expert, const std::vector<WeightSums>& sums) {
  if (way == GradientWay::kLayout) {
    kernels::GroupedWeightGradient(
        stream_, {.dy = dy.padded,
                  .x = x.padded,
                  .segments = segments_,
                  .format = {},
                  .gradients = gradients,
                  .parameters_per_expert = parameters_per_expert});
    return;
  }
  for (int e = 0; e < expert_count_; ++e) {
    const int64_t begin = expert_begin_[e], end = expert_begin_[e + 1];
    sums[e].AddFloat(stream_, way, dy.joined.view().Rows(begin, end),
                     x.joined.view().Rows(begin, end), leaf_);
  }
}

bool ExpertProducts::SameRows(const Output& output) const {
  int64_t row = 0;
  for (const kernels::Segment& segment : segments_) {
    if (!SameNumbers(
            output.padded.view().Rows(segment.row, segment.row + segment.rows),
            output.joined.view().Rows(row, row + segment.rows))) {
      return false;
    }
    row += segment.rows;
  }
  return true;
}

bool ExpertProducts::SameSums() const {
  for (const Layer& layer : layers_) {
    for (int e = 0; e < expert_count_; ++e) {
      if (!layer.gate_up_sums[e].Agree()) return false;
      if (!layer.down_sums[e].Agree()) return false;
    }
  }
  return true;
}

bool ExpertProducts::Verify() {
  for (const GradientWay way :
       {GradientWay::kLeafThenAdd, GradientWay::kAccumulate}) {
    for (Layer& layer : layers_) {
      for (WeightSums& sums : layer.gate_up_sums) sums.Zero(stream_);
      for (WeightSums& sums : layer.down_sums) sums.Zero(stream_);
    }
    for (int round = 0; round < kMicroBatchesPerRank; ++round) {
      RunRound(GradientWay::kLayout);
      RunRound(way);
    }
    stream_.Wait();
    if (!SameSums()) return false;
    for (const Output& output : outputs_) {
      if (!SameRows(output)) return false;
    }
  }
  return true;
}

double ExpertProducts::OperationCount() const {
  return 3.0 * 2 * kExpertElements * expert_begin_.back() * kLayers;
}

}  // namespace switchyard::bench
