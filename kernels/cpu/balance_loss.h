// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_BALANCE_LOSS_H_
#define SWITCHYARD_KERNELS_CPU_BALANCE_LOSS_H_

#include "switchyard/kernels/balance_loss.h"

namespace switchyard::kernels::cpu {

void ExpertCounts(const ExpertCountsArgs& args, int threads);
void BalanceLoss(const BalanceLossArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_BALANCE_LOSS_H_
