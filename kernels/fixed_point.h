// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Gradients as 64-bit integers in units of 2^-fraction_bits: sums that have no
// order (docs/numerics.md, "Sums across micro-batches have no order"). An
// addend
// ("leaf") is one micro-batch's fp32 gradient of one parameter. It is rounded
// once, to nearest even. A leaf whose elements are not all finite and below
// `limit` in magnitude is refused: the refused elements add nothing and are
// counted.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is a format in which a sum of accepted leaves may not fit 64 bits.
#ifndef SWITCHYARD_KERNELS_FIXED_POINT_H_
#define SWITCHYARD_KERNELS_FIXED_POINT_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct FixedPoint {
  int fraction_bits = 44;
  // 2^19 / (micro-batches of the global batch) at 44 bits: their sum fits.
  float limit = 524288.0f;

  // The format of sums over `micro_batches` >= 1 leaves:
  //   limit = 2^(63 - fraction_bits) / micro_batches,   rounded to fp32.
  // `fraction_bits` in [0, 62].
  static FixedPoint ForMicroBatches(int fraction_bits, int64_t micro_batches);
};

// Where a parameter's gradient is summed. On a CUDA device a sum may be fp32
// instead (`--determinism run`): leaves are added in fp32, in the order of the
// stream, and nothing of a format applies; only elements that are not finite
// are refused.
struct GradientSum {
  TensorView sum;      // int64, the parameter's shape
  TensorView refused;  // int64 [1]: elements refused so far
};

// sum += round(leaf * 2^fraction_bits), elementwise; leaf fp32, same shape.
void AddToFixedPoint(Stream& stream, const ConstTensorView& leaf,
                     const FixedPoint& format, const GradientSum& gradient);

// values (fp32) = sum * 2^-fraction_bits, rounded once; an fp32 sum as it is.
void FromFixedPoint(Stream& stream, const ConstTensorView& sum,
                    const FixedPoint& format, const TensorView& values);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_FIXED_POINT_H_
