// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_PRIORITY_ORDER_H_
#define SWITCHYARD_KERNELS_CUDA_PRIORITY_ORDER_H_

#include "switchyard/kernels/priority_order.h"

namespace switchyard::kernels::cuda {

void PriorityOrder(Stream& stream, const PriorityOrderArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PRIORITY_ORDER_H_
