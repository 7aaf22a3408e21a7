// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_LM_HEAD_H_
#define SWITCHYARD_KERNELS_CUDA_LM_HEAD_H_

#include "switchyard/kernels/lm_head.h"
#include "switchyard/kernels/lm_head_scratch.h"

namespace switchyard::kernels::cuda {

void LmHeadLoss(Stream& stream, const LmHeadLossArgs& args,
                const LmHeadScratch& scratch);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_LM_HEAD_H_
