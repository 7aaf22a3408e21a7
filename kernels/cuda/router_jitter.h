// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_ROUTER_JITTER_H_
#define SWITCHYARD_KERNELS_CUDA_ROUTER_JITTER_H_

#include "switchyard/kernels/router_jitter.h"

namespace switchyard::kernels::cuda {

void RouterJitter(Stream& stream, const RouterJitterArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTER_JITTER_H_
