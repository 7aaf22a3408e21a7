// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_NORMAL_H_
#define SWITCHYARD_KERNELS_CPU_NORMAL_H_

#include <cstdint>

#include "switchyard/kernels/elementwise.h"

namespace switchyard::kernels::cpu {

// The third word of the Philox counter of elements 4c to 4c + 3; the first two
// hold c, the fourth how often they were drawn before.
inline constexpr uint32_t kNormalCounterWord = 0x6e6f726d;

void Normal(const NormalArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_NORMAL_H_
