// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CPU_RMS_NORM_H_
#define SWITCHYARD_KERNELS_CPU_RMS_NORM_H_

#include "switchyard/kernels/rms_norm.h"

namespace switchyard::kernels::cpu {

void RmsNorm(const RmsNormArgs& args, int threads);
void RmsNormBackward(const RmsNormBackwardArgs& args, int threads);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_RMS_NORM_H_
