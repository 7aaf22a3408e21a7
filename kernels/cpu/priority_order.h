// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_PRIORITY_ORDER_H_
#define SWITCHYARD_KERNELS_CPU_PRIORITY_ORDER_H_

#include "switchyard/kernels/priority_order.h"

namespace switchyard::kernels::cpu {

void PriorityOrder(const PriorityOrderArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PRIORITY_ORDER_H_
