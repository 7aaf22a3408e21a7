// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_GUMBEL_NOISE_H_
#define SWITCHYARD_KERNELS_CUDA_GUMBEL_NOISE_H_

#include "switchyard/kernels/gumbel_noise.h"

namespace switchyard::kernels::cuda {

void GumbelNoise(Stream& stream, const GumbelNoiseArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GUMBEL_NOISE_H_
