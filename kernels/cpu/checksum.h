// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_CHECKSUM_H_
#define SWITCHYARD_KERNELS_CPU_CHECKSUM_H_

#include "switchyard/base/tensor_view.h"

namespace switchyard::kernels::cpu {

void Checksum(const ConstTensorView& x, const TensorView& result);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_CHECKSUM_H_
