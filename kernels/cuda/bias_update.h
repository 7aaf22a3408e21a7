// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_BIAS_UPDATE_H_
#define SWITCHYARD_KERNELS_CUDA_BIAS_UPDATE_H_

#include "switchyard/kernels/bias_update.h"

namespace switchyard::kernels::cuda {

void BiasUpdate(Stream& stream, const BiasUpdateArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_BIAS_UPDATE_H_
