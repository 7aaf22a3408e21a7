// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels share that read chosen experts and make gates.
#ifndef SWITCHYARD_KERNELS_CUDA_CHOSEN_EXPERTS_CUH_
#define SWITCHYARD_KERNELS_CUDA_CHOSEN_EXPERTS_CUH_

#include <cstdint>

#include "switchyard/kernels/cuda/device_check.cuh"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cuda {

// Keeps a quotient by a sum of scores finite where all of them are 0.
inline constexpr float kLeastSum = 1e-20f;

// An expert that does not exist is a bug of whoever chose it.
__device__ __forceinline__ int32_t CheckedExpert(int32_t expert,
                                                 int64_t experts) {
  SWITCHYARD_DEVICE_CHECK(0 <= expert && expert < experts);
  return expert;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CHOSEN_EXPERTS_CUH_
