// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix products with fp32 accumulation. Operands are row-major matrices whose
// rows may be strided. fp32 x fp32 gives fp32; bf16 x bf16 gives bf16 or fp32.
//
// The bits of a result depend on the operands' values and shapes and on the
// instruction set only: not on threads, strides, addresses or earlier calls.
//
// On a CUDA device cuBLAS makes all of them; the rest is about the CPU. fp32
// products, and bf16 products where the processor has none, are made by code of
// our own, which needs no preparation and allocates nothing. oneDNN
// makes bf16 products where the processor does (HasBFloat16Products); there, a
// shape that is new to the process costs a primitive (about half a
// millisecond), and every product allocates a few small blocks inside oneDNN.
// PrepareDense, PrepareGrouped and PrepareLmHead (lm_head.h) make primitives
// ahead of time.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is a segment outside its buffer.
#ifndef SWITCHYARD_KERNELS_MATMUL_H_
#define SWITCHYARD_KERNELS_MATMUL_H_

#include <cstdint>

#include "absl/types/span.h"
#include "switchyard/base/stream.h"
#include "switchyard/kernels/fixed_point.h"
#include "switchyard/kernels/segments.h"

namespace switchyard::kernels {

enum class Transpose : bool { kNo = false, kYes = true };

// c [M, N] = op(a) [M, K] · op(b) [K, N] (+ c if `accumulate`, c fp32).
// A product with K = 0 gives zeros.
struct MatMulArgs {
  ConstTensorView a;
  Transpose transpose_a = Transpose::kNo;
  ConstTensorView b;
  Transpose transpose_b = Transpose::kNo;
  TensorView c;
  bool accumulate = false;
};
void MatMul(Stream& stream, const MatMulArgs& args);

// The weight gradient of a dense layer y = x · wᵀ from one micro-batch:
// leaf [N, K] = dyᵀ [N, rows] · x [rows, K], rounded and added to `gradient`.
// dy, x fp32 or bf16 (the leaf is fp32 in both). No rows: nothing is added.
struct WeightGradientArgs {
  ConstTensorView dy;
  ConstTensorView x;
  FixedPoint format;
  // One sum for all N rows, or several parameters whose rows, in order, make up
  // the N rows (query, key and value in one product). Must live until the
  // stream has run.
  absl::Span<const GradientSum> gradients;
};
void WeightGradient(Stream& stream, const WeightGradientArgs& args);

// For each segment s (its padding rows are zero, and become zero in y; on a
// CUDA device if the weights are finite):
//   y[s] = x[s] · wᵀ           (transpose_w = kYes, w [N, K])
//   y[s] = x[s] · w            (transpose_w = kNo,  w [K, N])
// with w = weights[s.expert]. `segments` and `weights` must live until the
// stream has run. Each segment is a product of its own, or joined with its
// neighbours only where a row's bits have been shown not to depend on them.
struct GroupedMatMulArgs {
  ConstTensorView x;  // [rows, K]
  absl::Span<const ConstTensorView> weights;
  Transpose transpose_w = Transpose::kYes;
  absl::Span<const Segment> segments;
  TensorView y;  // [rows, N], rows that belong to no segment stay as they are
  // On a CUDA device: the segments of an expert may be one product, and those
  // of all experts one call (`--determinism run`). The CPU joins by itself what
  // it may.
  bool join_segments = false;
};
void GroupedMatMul(Stream& stream, const GroupedMatMulArgs& args);

// For each segment s: leaf [N, K] = dy[s]ᵀ · x[s] (padding rows are zero),
// rounded and added to the gradients of s.expert. Each expert's N rows may be
// split over `parameters_per_expert` parameters (w1 above w3): the gradients of
// expert e are gradients[e * parameters_per_expert ...]. `segments` and
// `gradients` must live until the stream has run.
struct GroupedWeightGradientArgs {
  ConstTensorView dy;  // [rows, N]
  ConstTensorView x;   // [rows, K]
  absl::Span<const Segment> segments;
  FixedPoint format;
  absl::Span<const GradientSum> gradients;
  int parameters_per_expert = 1;
};
void GroupedWeightGradient(Stream& stream,
                           const GroupedWeightGradientArgs& args);

// Makes the primitives of all products that these layers will ask for, so that
// a step makes none. `in` and `out` are K and N of y = x · wᵀ. A gradient that
// is split over several parameters needs each of their row counts as `out` too.
void PrepareDense(DType dtype, int64_t rows, int64_t in, int64_t out);
// Likewise for segments of every listed size up to max_rows. Also finds out
// whether the layer's segments may be joined, and prepares for runs of them.
void PrepareGrouped(DType dtype, int64_t max_rows, int64_t in, int64_t out);

// Primitives made so far by this process.
int64_t MatMulPrimitiveCount();

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_MATMUL_H_
