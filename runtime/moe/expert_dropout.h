// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Expert dropout (Switch, 2101.03961, section 2.4): in training, elements of an
// expert's intermediate activation become 0 with probability `rate`, the others
// grow by 1 / (1 - rate). Who is dropped is a function of (seed, step, layer,
// micro-batch, expert, row of the segment, element), so the mask is made again
// in the backward pass and is the same on every layout.
#ifndef SWITCHYARD_RUNTIME_MOE_EXPERT_DROPOUT_H_
#define SWITCHYARD_RUNTIME_MOE_EXPERT_DROPOUT_H_

#include <cstdint>

#include "absl/types/span.h"
#include "switchyard/kernels/segments.h"
#include "switchyard/runtime/moe/routing.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/parallel/grid.h"

namespace switchyard {

struct ExpertDropout {
  double rate = 0.0;                // 0: none
  absl::Span<const uint64_t> keys;  // of each segment

  // Of the chunk's segments.
  ExpertDropout Of(const Execution& run, const RoutingChunk& chunk) const;
  // In place, on the rows of all segments.
  void Apply(const Execution& run, absl::Span<const kernels::Segment> segments,
             const TensorView& act) const;
};

// The masks of one layer and micro-batch. `segments` are the routing's: by (own
// expert, source rank), and those of source s belong to the micro-batch that is
// as far from `micro_batch`, this rank's, as rank s is from this one.
ExpertDropout MakeExpertDropout(const Execution& run, const Grid& grid,
                                absl::Span<const kernels::Segment> segments,
                                double rate, int layer, int64_t micro_batch);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_EXPERT_DROPOUT_H_
