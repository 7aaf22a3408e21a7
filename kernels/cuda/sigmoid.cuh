// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The logistic function.
#ifndef SWITCHYARD_KERNELS_CUDA_SIGMOID_CUH_
#define SWITCHYARD_KERNELS_CUDA_SIGMOID_CUH_

#include "switchyard/kernels/cuda/portable.cuh"

namespace switchyard::kernels::cuda {

struct SigmoidPair {
  float sigmoid;     // 1 / (1 + e^-x)
  float complement;  // 1 - sigmoid
};

// From e^-|x|, which does not overflow; neither result is a difference, so both
// have small relative errors: 2 ulp of the exponential, and one rounding each
// of the sum, the quotient and the product.
__device__ __forceinline__ SigmoidPair Sigmoid(float x) {
  const float e = expf(-fabsf(x));
  const float larger = 1.0f / (1.0f + e);
  const float smaller = e * larger;
  return x >= 0.0f ? SigmoidPair{larger, smaller}
                   : SigmoidPair{smaller, larger};
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_SIGMOID_CUH_
