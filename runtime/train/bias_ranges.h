// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The smallest and largest selection bias of each layer's router
// (Router::selection_bias), for the metrics.
#ifndef SWITCHYARD_RUNTIME_TRAIN_BIAS_RANGES_H_
#define SWITCHYARD_RUNTIME_TRAIN_BIAS_RANGES_H_

#include <vector>

#include "absl/types/span.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/runtime/nn/transformer.h"
#include "switchyard/runtime/train/layer_metrics.h"

namespace switchyard {

class BiasRanges {
 public:
  // Both must outlive it.
  BiasRanges(Stream& stream, const Transformer& model);

  // Sets bias_min and bias_max of the layers that have a bias, as it is now.
  void Fill(absl::Span<LayerMetrics> layers);

 private:
  Stream& stream_;
  const Transformer& model_;
  Storage storage_;
  TensorView ranges_;  // fp32 [layers, 2]
  std::vector<float> host_ranges_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_BIAS_RANGES_H_
