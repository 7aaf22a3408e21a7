// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_RMS_NORM_H_
#define SWITCHYARD_KERNELS_CUDA_RMS_NORM_H_

#include "switchyard/kernels/rms_norm.h"

namespace switchyard::kernels::cuda {

void RmsNorm(Stream& stream, const RmsNormArgs& args);
void RmsNormBackward(Stream& stream, const RmsNormBackwardArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_RMS_NORM_H_
