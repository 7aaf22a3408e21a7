// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ROUTER_JITTER_H_
#define SWITCHYARD_KERNELS_CPU_ROUTER_JITTER_H_

#include "switchyard/kernels/router_jitter.h"

namespace switchyard::kernels::cpu {

// Operands are checked.
void RouterJitter(const RouterJitterArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROUTER_JITTER_H_
