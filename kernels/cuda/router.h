// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_ROUTER_H_
#define SWITCHYARD_KERNELS_CUDA_ROUTER_H_

#include "switchyard/kernels/router.h"

namespace switchyard::kernels::cuda {

void Router(Stream& stream, const RouterArgs& args);
void RouterBackward(Stream& stream, const RouterBackwardArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTER_H_
