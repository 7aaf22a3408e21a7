// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_GUMBEL_NOISE_H_
#define SWITCHYARD_KERNELS_CPU_GUMBEL_NOISE_H_

#include "switchyard/kernels/gumbel_noise.h"

namespace switchyard::kernels::cpu {

// Operands are checked.
void GumbelNoise(const GumbelNoiseArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_GUMBEL_NOISE_H_
