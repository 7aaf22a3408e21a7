// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_ACTIVATION_H_
#define SWITCHYARD_KERNELS_CUDA_ACTIVATION_H_

#include "switchyard/kernels/activation.h"

namespace switchyard::kernels::cuda {

// Any kind: gated silu is SwiGlu.
void Activate(Stream& stream, ActivationKind kind, const ConstTensorView& inner,
              const TensorView& act);
void ActivateBackward(Stream& stream, ActivationKind kind,
                      const ConstTensorView& inner, const ConstTensorView& dact,
                      const TensorView& dinner);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ACTIVATION_H_
