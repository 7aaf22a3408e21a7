// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_FIXED_POINT_H_
#define SWITCHYARD_KERNELS_CUDA_FIXED_POINT_H_

#include "switchyard/kernels/fixed_point.h"

namespace switchyard::kernels::cuda {

// A sum may be fp32.
void AddToFixedPoint(Stream& stream, const ConstTensorView& leaf,
                     const FixedPoint& format, const GradientSum& gradient);
void FromFixedPoint(Stream& stream, const ConstTensorView& sum,
                    const FixedPoint& format, const TensorView& values);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_FIXED_POINT_H_
