// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_NORMS_H_
#define SWITCHYARD_KERNELS_CPU_NORMS_H_

#include "switchyard/kernels/norms.h"

namespace switchyard::kernels::cpu {

void SumOfSquares(const SumOfSquaresArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_NORMS_H_
