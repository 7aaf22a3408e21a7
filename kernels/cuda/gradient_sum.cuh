// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Adding fp32 numbers to gradients' sums (fixed_point.h), which are int64 in a
// format or fp32.
#ifndef SWITCHYARD_KERNELS_CUDA_GRADIENT_SUM_CUH_
#define SWITCHYARD_KERNELS_CUDA_GRADIENT_SUM_CUH_

#include <cmath>
#include <cstdint>

#include "switchyard/kernels/cuda/pieces.cuh"
#include "switchyard/kernels/fixed_point.h"

namespace switchyard::kernels::cuda {

// Sums are int64.
struct FixedPointAdder {
  using Sum = int64_t;

  explicit FixedPointAdder(const FixedPoint& format)
      : scale(std::ldexp(1.0, format.fraction_bits)), limit(format.limit) {}

  // Returns whether `x` was accepted. An fp32 number times a power of two is
  // exact in double: it is rounded once.
  __device__ __forceinline__ bool Add(float x, int64_t& sum) const {
    if (!(fabsf(x) < limit)) return false;
    sum += __double2ll_rn(static_cast<double>(x) * scale);
    return true;
  }

  double scale;  // units in 1
  float limit;   // what is not below it is refused
};

// Sums are fp32.
struct FloatAdder {
  using Sum = float;

  __device__ __forceinline__ bool Add(float x, float& sum) const {
    if (!isfinite(x)) return false;
    sum += x;
    return true;
  }
};

// Adds a piece; what is refused adds nothing and is counted. That is rare: the
// atomic costs nothing in a good step.
template <typename Adder, int kCount>
__device__ __forceinline__ void AddPiece(const Adder& adder,
                                         const float (&leaf)[kCount],
                                         typename Adder::Sum* to,
                                         int64_t* refused) {
  typename Adder::Sum sum[kCount];
  LoadPiece(to, sum);
  unsigned bad = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    bad += adder.Add(leaf[i], sum[i]) ? 0 : 1;
  }
  StorePiece(sum, to);
  if (bad > 0) {
    atomicAdd(reinterpret_cast<unsigned long long*>(refused),
              static_cast<unsigned long long>(bad));
  }
}

// Calls `function` with the adder for a sum of this dtype.
template <typename Function>
void ForSum(DType dtype, const FixedPoint& format, const Function& function) {
  if (dtype == DType::kInt64) {
    function(FixedPointAdder(format));
  } else {
    function(FloatAdder());
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GRADIENT_SUM_CUH_
