// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/bias_ranges.h"

#include "switchyard/kernels/routing_statistics.h"

namespace switchyard {

BiasRanges::BiasRanges(Stream& stream, const Transformer& model)
    : stream_(stream),
      model_(model),
      storage_(stream.device(), DType::kFloat32, {model.layers(), 2}),
      ranges_(storage_.View(DType::kFloat32, {model.layers(), 2})),
      host_ranges_(2 * static_cast<size_t>(model.layers())) {}

void BiasRanges::Fill(absl::Span<LayerMetrics> layers) {
  bool any = false;
  for (LayerMetrics& layer : layers) {
    const TensorView bias =
        model_.selection_bias(static_cast<int>(layer.layer));
    if (!bias.defined()) continue;
    any = true;
    kernels::ValueRange(
        stream_,
        {bias, ranges_.Rows(layer.layer, layer.layer + 1).Reshaped({2})});
  }
  if (!any) return;
  stream_.CopyToHost(host_ranges_.data(), ranges_);
  stream_.Wait();
  for (LayerMetrics& layer : layers) {
    const int index = static_cast<int>(layer.layer);
    if (!model_.selection_bias(index).defined()) continue;
    layer.bias_min = static_cast<double>(host_ranges_[2 * index]);
    layer.bias_max = static_cast<double>(host_ranges_[2 * index + 1]);
  }
}

}  // namespace switchyard
