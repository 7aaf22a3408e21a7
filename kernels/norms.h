// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of squares for the global gradient norm: in double, over one chunk of at
// most kNormChunk elements (docs/numerics.md, "Sums across micro-batches have
// no order"). Element i of a chunk adds to sum i mod 16 and the sums are added
// in order, nothing is fused: the bits are the same on every instruction set.
// On a CUDA device there are 256 sums, and a tree joins them: other bits, but
// again those of the chunk alone.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_NORMS_H_
#define SWITCHYARD_KERNELS_NORMS_H_

#include "absl/types/span.h"
#include "switchyard/base/stream.h"

namespace switchyard::kernels {

inline constexpr int64_t kNormChunk = 65536;

// result[places[i]] = sum over chunk i of (g · 2^-fraction_bits)². `chunks` are
// int64 views, each of at most kNormChunk elements; they and `places`, no two
// of which are equal, must live until the stream has run. On a CUDA device all
// may be fp32 instead: then of g²; what is not finite stays so.
struct SumOfSquaresArgs {
  absl::Span<const ConstTensorView> chunks;
  absl::Span<const int64_t> places;
  int fraction_bits = 44;
  TensorView result;  // fp64 [n]; elements of no chunk keep their values
};
void SumOfSquares(Stream& stream, const SumOfSquaresArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_NORMS_H_
