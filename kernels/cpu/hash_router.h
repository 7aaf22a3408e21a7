// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_HASH_ROUTER_H_
#define SWITCHYARD_KERNELS_CPU_HASH_ROUTER_H_

#include "switchyard/kernels/hash_router.h"

namespace switchyard::kernels::cpu {

// Operands are checked.
void HashRouter(const HashRouterArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_HASH_ROUTER_H_
