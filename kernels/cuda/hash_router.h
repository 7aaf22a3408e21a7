// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_HASH_ROUTER_H_
#define SWITCHYARD_KERNELS_CUDA_HASH_ROUTER_H_

#include "switchyard/kernels/hash_router.h"

namespace switchyard::kernels::cuda {

void HashRouter(Stream& stream, const HashRouterArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_HASH_ROUTER_H_
