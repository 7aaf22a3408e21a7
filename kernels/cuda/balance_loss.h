// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_BALANCE_LOSS_H_
#define SWITCHYARD_KERNELS_CUDA_BALANCE_LOSS_H_

#include "switchyard/kernels/balance_loss.h"

namespace switchyard::kernels::cuda {

void ExpertCounts(Stream& stream, const ExpertCountsArgs& args);
void BalanceLoss(Stream& stream, const BalanceLossArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_BALANCE_LOSS_H_
