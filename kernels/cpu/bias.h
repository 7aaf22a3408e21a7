// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_BIAS_H_
#define SWITCHYARD_KERNELS_CPU_BIAS_H_

#include "switchyard/kernels/bias.h"

namespace switchyard::kernels::cpu {

void AddBias(const ConstTensorView& bias, const TensorView& y, int threads);
void BiasGradient(const ConstTensorView& dy, const TensorView& leaf,
                  int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_BIAS_H_
