// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_ADAMW_H_
#define SWITCHYARD_KERNELS_CUDA_ADAMW_H_

#include "switchyard/kernels/adamw.h"

namespace switchyard::kernels::cuda {

void AdamW(Stream& stream, const AdamWArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ADAMW_H_
