// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_SWIGLU_H_
#define SWITCHYARD_KERNELS_CPU_SWIGLU_H_

#include "switchyard/base/tensor_view.h"

namespace switchyard::kernels::cpu {

// Operands are checked; see ../swiglu.h.
void SwiGlu(const ConstTensorView& gate_up, const TensorView& act, int threads);
void SwiGluBackward(const ConstTensorView& gate_up, const ConstTensorView& dact,
                    const TensorView& dgate_up, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_SWIGLU_H_
