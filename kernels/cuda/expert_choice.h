// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_KERNELS_CUDA_EXPERT_CHOICE_H_
#define SWITCHYARD_KERNELS_CUDA_EXPERT_CHOICE_H_

#include "switchyard/kernels/expert_choice.h"

namespace switchyard::kernels::cuda {

void ExpertChoice(Stream& stream, const ExpertChoiceArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_EXPERT_CHOICE_H_
