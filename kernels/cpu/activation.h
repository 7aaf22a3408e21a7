// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ACTIVATION_H_
#define SWITCHYARD_KERNELS_CPU_ACTIVATION_H_

#include "switchyard/kernels/activation.h"

namespace switchyard::kernels::cpu {

// Any kind but gated silu (swiglu.h).
void Activate(ActivationKind kind, const ConstTensorView& inner,
              const TensorView& act, int threads);
void ActivateBackward(ActivationKind kind, const ConstTensorView& inner,
                      const ConstTensorView& dact, const TensorView& dinner,
                      int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ACTIVATION_H_
