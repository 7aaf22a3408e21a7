// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_ROUTING_STATISTICS_H_
#define SWITCHYARD_KERNELS_CUDA_ROUTING_STATISTICS_H_

#include "switchyard/kernels/routing_statistics.h"

namespace switchyard::kernels::cuda {

void RoutingStatistics(Stream& stream, const RoutingStatisticsArgs& args);
void ValueRange(Stream& stream, const ValueRangeArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTING_STATISTICS_H_
