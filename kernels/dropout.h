// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Dropout on rows of expert segments (Switch, 2101.03961, section 2.4: expert
// dropout). Whether an element is dropped is a function of its segment's key,
// its row within the segment and its column, so that the backward pass makes
// the same mask again and no layout changes it.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_DROPOUT_H_
#define SWITCHYARD_KERNELS_DROPOUT_H_

#include <cstdint>

#include "absl/types/span.h"
#include "switchyard/base/stream.h"
#include "switchyard/kernels/segments.h"

namespace switchyard::kernels {

// In every segment s, in place: x[s.row + r, c] becomes 0 if dropped, else
// x / (1 - rate), in fp32, rounded once. Dropped if word c % 4 of Philox with
// key keys[s] and counter (c / 4, r, 0x64726f70, 0) is below floor(rate ·
// 2^32). Padding rows stay as they are, zero.
struct SegmentDropoutArgs {
  TensorView x;  // [rows, width], fp32 or bf16
  // Must live until the stream has run; as many keys as segments.
  absl::Span<const Segment> segments;
  absl::Span<const uint64_t> keys;
  double rate = 0.0;  // in [0, 1)
};
void SegmentDropout(Stream& stream, const SegmentDropoutArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_DROPOUT_H_
