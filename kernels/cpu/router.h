// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ROUTER_H_
#define SWITCHYARD_KERNELS_CPU_ROUTER_H_

#include "switchyard/kernels/router.h"

namespace switchyard::kernels::cpu {

void Router(const RouterArgs& args, int threads);
void RouterBackward(const RouterBackwardArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROUTER_H_
