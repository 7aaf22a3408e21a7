// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_ADAMW_H_
#define SWITCHYARD_KERNELS_CPU_ADAMW_H_

#include "switchyard/kernels/adamw.h"

namespace switchyard::kernels::cpu {

void AdamW(const AdamWArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ADAMW_H_
