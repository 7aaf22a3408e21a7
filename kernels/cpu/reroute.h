// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_REROUTE_H_
#define SWITCHYARD_KERNELS_CPU_REROUTE_H_

#include "switchyard/kernels/reroute.h"

namespace switchyard::kernels::cpu {

void NextExperts(const NextExpertsArgs& args, int threads);
void ReroutedGates(const ReroutedGatesArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_REROUTE_H_
