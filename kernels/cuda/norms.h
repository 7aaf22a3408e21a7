// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_NORMS_H_
#define SWITCHYARD_KERNELS_CUDA_NORMS_H_

#include "switchyard/kernels/norms.h"

namespace switchyard::kernels::cuda {

void SumOfSquares(Stream& stream, const SumOfSquaresArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_NORMS_H_
