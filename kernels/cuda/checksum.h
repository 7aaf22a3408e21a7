// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_CHECKSUM_H_
#define SWITCHYARD_KERNELS_CUDA_CHECKSUM_H_

#include "switchyard/kernels/checksum.h"

namespace switchyard::kernels::cuda {

void Checksum(Stream& stream, const ConstTensorView& x,
              const TensorView& result);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CHECKSUM_H_
