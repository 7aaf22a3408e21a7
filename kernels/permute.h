// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Between tokens and the rows of expert segments. `rows` [tokens, k] says which
// row of a buffer holds each assignment, -1 where there is none (RowIndex).
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is a row outside the buffer.
#ifndef SWITCHYARD_KERNELS_PERMUTE_H_
#define SWITCHYARD_KERNELS_PERMUTE_H_

#include "absl/types/span.h"
#include "switchyard/base/stream.h"
#include "switchyard/kernels/segments.h"

namespace switchyard::kernels {

// buffer[rows[t, j]] = x[t] (times gates[t, j] if given, in fp32, rounded
// once).
struct PermuteArgs {
  ConstTensorView x;      // [tokens, width], fp32 or bf16
  ConstTensorView rows;   // int32 [tokens, k]
  ConstTensorView gates;  // optional, fp32 [tokens, k]
  TensorView buffer;      // [buffer rows, width], x's dtype
};
void Permute(Stream& stream, const PermuteArgs& args);

// y[t] = sum over choices j, in order, of gates[t, j] · buffer[rows[t, j]]
// (gates of 1 if not given), in fp32, rounded once; 0 if there is none.
struct UnpermuteArgs {
  ConstTensorView buffer;  // [buffer rows, width], fp32 or bf16
  ConstTensorView rows;    // int32 [tokens, k]
  ConstTensorView gates;   // optional, fp32 [tokens, k]
  TensorView y;            // [tokens, width], buffer's dtype
};
void Unpermute(Stream& stream, const UnpermuteArgs& args);

// dgates[t, j] = dot(dy[t], buffer[rows[t, j]]) in fp32; 0 where there is none.
struct GateGradientArgs {
  ConstTensorView dy;      // [tokens, width], fp32 or bf16
  ConstTensorView buffer;  // [buffer rows, width], dy's dtype: the expert
                           // outputs that Unpermute read
  ConstTensorView rows;    // int32 [tokens, k]
  TensorView dgates;       // fp32 [tokens, k]
};
void GateGradient(Stream& stream, const GateGradientArgs& args);

// Zeroes the padding rows (rows .. padded_rows) of every segment. `segments`
// must live until the stream has run.
void ZeroPadding(Stream& stream, absl::Span<const Segment> segments,
                 const TensorView& buffer);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_PERMUTE_H_
