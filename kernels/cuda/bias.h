// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_BIAS_H_
#define SWITCHYARD_KERNELS_CUDA_BIAS_H_

#include "switchyard/kernels/bias.h"

namespace switchyard::kernels::cuda {

void AddBias(Stream& stream, const ConstTensorView& bias, const TensorView& y);
void BiasGradient(Stream& stream, const ConstTensorView& dy,
                  const TensorView& leaf);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_BIAS_H_
