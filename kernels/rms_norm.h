// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Root-mean-square normalisation (Zhang and Sennrich, 2019), in Hugging Face's
// order: y = (x · rsqrt(mean(x²) + eps), in fp32, cast to x's dtype) · weight.
// The residual add that comes before it in a block is fused in. A row may be
// cut into groups of `width` elements (the heads of queries and keys: Henry et
// al., 2010.04245; Dehghani et al., 2302.05442), each normalised by itself with
// the same weight.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_RMS_NORM_H_
#define SWITCHYARD_KERNELS_RMS_NORM_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// sum = x + add (sum = x without `add`); y = RmsNorm(sum) · weight.
struct RmsNormArgs {
  ConstTensorView x;       // [rows, width] or [rows, groups, width], fp32 or
                           // bf16; rows may be strided
  ConstTensorView add;     // optional, as x
  ConstTensorView weight;  // [width], x's dtype
  float eps = 1e-5f;
  TensorView sum;          // as x; needed with `add`, else left out; may be the
                           // same memory as x or add
  TensorView y;            // as x
  TensorView inverse_rms;  // fp32 [rows] or [rows, groups], kept for the
                           // backward pass
};
void RmsNorm(Stream& stream, const RmsNormArgs& args);

// With n = x · inverse_rms and g = dy · weight:
//   dx = inverse_rms · (g - n · mean(g · n)) (+ dsum)
//   dweight = sum over rows and groups of dy · n, in row order, groups
//             ascending, within fixed chunks of rows
struct RmsNormBackwardArgs {
  ConstTensorView dy;      // as x
  ConstTensorView x;       // what was normalised (`sum` of the forward pass)
  ConstTensorView weight;  // [width]
  ConstTensorView inverse_rms;  // as in the forward pass
  ConstTensorView dsum;         // optional, as x: what else flows into the sum
  TensorView dx;                // as x; may be the same memory as dsum or dy
  TensorView dweight;           // fp32 [width], overwritten: a leaf
};
void RmsNormBackward(Stream& stream, const RmsNormBackwardArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_RMS_NORM_H_
