// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The bias of a dense layer y = x · wᵀ + b, beside its product.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_BIAS_H_
#define SWITCHYARD_KERNELS_BIAS_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// y [rows, width] += bias [width] on every row; fp32 or bf16, of one dtype.
// Added in fp32 and rounded to the dtype, as the product in y was before. Rows
// of y may be strided.
void AddBias(Stream& stream, const ConstTensorView& bias, const TensorView& y);

// The bias's gradient from one micro-batch: leaf [width] (fp32, overwritten) =
// the sum of dy's rows. dy [rows, width], fp32 or bf16; rows may be strided.
// Rows add in order within chunks of 64, and these in order.
void BiasGradient(Stream& stream, const ConstTensorView& dy,
                  const TensorView& leaf);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_BIAS_H_
