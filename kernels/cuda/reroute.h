// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_REROUTE_H_
#define SWITCHYARD_KERNELS_CUDA_REROUTE_H_

#include "switchyard/kernels/reroute.h"

namespace switchyard::kernels::cuda {

void NextExperts(Stream& stream, const NextExpertsArgs& args);
void ReroutedGates(Stream& stream, const ReroutedGatesArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_REROUTE_H_
