// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Scores of a token's experts, by its warp (token_warps.cuh).
#ifndef SWITCHYARD_KERNELS_CUDA_ROUTER_SCORES_CUH_
#define SWITCHYARD_KERNELS_CUDA_ROUTER_SCORES_CUH_

#include <cstdint>

#include "switchyard/kernels/cuda/portable.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"
#include "switchyard/kernels/cuda/selection.cuh"
#include "switchyard/kernels/cuda/sigmoid.cuh"
#include "switchyard/kernels/router.h"

namespace switchyard::kernels::cuda {

struct SoftmaxSum {
  float max;
  float sum;  // of exp(logit - max)
};

// row[i] = softmax of logit(i), i < count. Both are asked for own places.
template <typename Logit>
__device__ __forceinline__ SoftmaxSum Softmax(int64_t count, const Logit& logit,
                                              float* row) {
  float max = kOut;
  for (int64_t i = Lane(); i < count; i += kWarp) max = fmaxf(max, logit(i));
  max = WarpMax(max);
  float sum = 0.0f;
  for (int64_t i = Lane(); i < count; i += kWarp) {
    row[i] = expf(logit(i) - max);
    sum += row[i];
  }
  sum = WarpSum(sum);
  for (int64_t i = Lane(); i < count; i += kWarp) row[i] /= sum;
  return {max, sum};
}

__host__ __device__ inline bool DividesBySum(const RouterRule& rule,
                                             int64_t k) {
  return rule.gates == GateNormalization::kSum && k >= 2;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTER_SCORES_CUH_
