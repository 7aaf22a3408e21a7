// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ROUTING_STATISTICS_H_
#define SWITCHYARD_KERNELS_CPU_ROUTING_STATISTICS_H_

#include "switchyard/kernels/routing_statistics.h"

namespace switchyard::kernels::cpu {

void RoutingStatistics(const RoutingStatisticsArgs& args, int threads);
void ValueRange(const ValueRangeArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROUTING_STATISTICS_H_
