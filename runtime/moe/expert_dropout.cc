// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/expert_dropout.h"

#include "switchyard/base/check.h"
#include "switchyard/base/philox.h"
#include "switchyard/kernels/dropout.h"

namespace switchyard {

ExpertDropout ExpertDropout::Of(const Execution& run,
                                const RoutingChunk& chunk) const {
  if (rate == 0.0) return {};
  const absl::Span<uint64_t> of_chunk =
      run.NewHost<uint64_t>(static_cast<int64_t>(chunk.places.size()));
  for (size_t i = 0; i < of_chunk.size(); ++i) {
    of_chunk[i] = keys[chunk.places[i]];
  }
  return {rate, of_chunk};
}

void ExpertDropout::Apply(const Execution& run,
                          absl::Span<const kernels::Segment> segments,
                          const TensorView& act) const {
  if (rate == 0.0) return;
  kernels::SegmentDropout(
      run.stream, {.x = act, .segments = segments, .keys = keys, .rate = rate});
}

ExpertDropout MakeExpertDropout(const Execution& run, const Grid& grid,
                                absl::Span<const kernels::Segment> segments,
                                double rate, int layer, int64_t micro_batch) {
  const int width = grid.width();
  SWITCHYARD_CHECK(static_cast<int>(segments.size()) ==
                   width * grid.experts_per_rank())
      << segments.size() << " segments of " << width << " ranks";
  const int self = grid.expert_parallel().rank();
  uint64_t layer_key = MixKey(run.seed, "expert dropout");
  layer_key = MixKey(layer_key, static_cast<uint64_t>(run.step));
  layer_key = MixKey(layer_key, static_cast<uint64_t>(layer));
  const absl::Span<uint64_t> keys =
      run.NewHost<uint64_t>(static_cast<int64_t>(segments.size()));
  for (size_t i = 0; i < segments.size(); ++i) {
    const int source = static_cast<int>(i) % width;
    const int64_t of_source = micro_batch + source - self;
    const int expert = grid.first_expert() + segments[i].expert;
    keys[i] = MixKey(MixKey(layer_key, static_cast<uint64_t>(of_source)),
                     static_cast<uint64_t>(expert));
  }
  return {rate, keys};
}

}  // namespace switchyard
