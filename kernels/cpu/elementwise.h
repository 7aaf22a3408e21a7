// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ELEMENTWISE_H_
#define SWITCHYARD_KERNELS_CPU_ELEMENTWISE_H_

#include "switchyard/base/tensor_view.h"

namespace switchyard::kernels::cpu {

// Operands are checked; see ../elementwise.h.
void Add(const ConstTensorView& a, const ConstTensorView& b,
         const TensorView& y, int threads);
// Between two different dtypes.
void Cast(const ConstTensorView& x, const TensorView& y, int threads);
void Fill(float value, const TensorView& y, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ELEMENTWISE_H_
