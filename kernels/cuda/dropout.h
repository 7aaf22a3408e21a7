// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_DROPOUT_H_
#define SWITCHYARD_KERNELS_CUDA_DROPOUT_H_

#include "switchyard/kernels/dropout.h"

namespace switchyard::kernels::cuda {

void SegmentDropout(Stream& stream, const SegmentDropoutArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DROPOUT_H_
