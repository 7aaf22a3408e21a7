// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_FIXED_POINT_H_
#define SWITCHYARD_KERNELS_CPU_FIXED_POINT_H_

#include "switchyard/kernels/fixed_point.h"

namespace switchyard::kernels::cpu {

// Operands are checked; see ../fixed_point.h.
void AddToFixedPoint(const ConstTensorView& leaf, const FixedPoint& format,
                     const GradientSum& gradient, int threads);
void FromFixedPoint(const ConstTensorView& sum, const FixedPoint& format,
                    const TensorView& values, int threads);

// For operators that add a leaf while it is in cache, on the calling thread:
// `count` elements without gaps; returns how many were refused.
int64_t AddRunToFixedPoint(const float* leaf, int64_t count,
                           const FixedPoint& format, int64_t* sum);
// Adds to the count of refused elements, from any thread.
void CountRefused(int64_t refused, const TensorView& counter);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_FIXED_POINT_H_
