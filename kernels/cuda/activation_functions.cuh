// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The functions of activation.h with their slopes. Formulas and constants are
// those of kernels/cpu/activation.cc, which says where they come from.
#ifndef SWITCHYARD_KERNELS_CUDA_ACTIVATION_FUNCTIONS_CUH_
#define SWITCHYARD_KERNELS_CUDA_ACTIVATION_FUNCTIONS_CUH_

#include "switchyard/kernels/activation.h"
#include "switchyard/kernels/cuda/sigmoid.cuh"

namespace switchyard::kernels::cuda {

// f(a) and f'(a).
struct ValueAndSlope {
  float value, slope;
};

struct Silu {
  static __device__ __forceinline__ ValueAndSlope At(float a) {
    const SigmoidPair s = Sigmoid(a);
    return {a * s.sigmoid, s.sigmoid * fmaf(a, s.complement, 1.0f)};
  }
};

struct Relu {
  static __device__ __forceinline__ ValueAndSlope At(float a) {
    // NaN is neither below nor above.
    return {a < 0.0f ? 0.0f : a, a <= 0.0f ? 0.0f : 1.0f};
  }
};

// Φ(-x) e^(x²/2) of x >= 0, by a polynomial.
__device__ __forceinline__ float ScaledTail(float x) {
  constexpr float kShift = 2.5f;
  constexpr float kCoefficients[] = {
      0.706656659801f,     -0.433691991865f,   0.131986980168f,
      0.00923558657217f,   -0.0163862006934f,  -0.00159975517605f,
      0.00252401123246f,   0.000682999479771f, -0.000311702429639f,
      -0.000157107554413f,
  };
  constexpr int kDegree = 9;
  const float w = 1.0f / (x + kShift);
  const float t = fmaf(-2.0f * kShift, w, 1.0f);
  float p = kCoefficients[kDegree];
#pragma unroll
  for (int i = kDegree - 1; i >= 0; --i) p = fmaf(p, t, kCoefficients[i]);
  return p * w;
}

struct Gelu {
  static __device__ __forceinline__ ValueAndSlope At(float a) {
    const float e = expf(-(a * 0.5f * a));
    const float tail = e * ScaledTail(fabsf(a));
    const float normal = a > 0.0f ? 1.0f - tail : tail;
    const float density = e * 0.398942280401432678f;
    return {a * normal, fmaf(a, density, normal)};
  }
};

struct GeluTanh {
  static __device__ __forceinline__ ValueAndSlope At(float a) {
    // Beyond, the sigmoid is 0 or 1 to the last bit, and a cube might overflow.
    constexpr float kFar = 16.0f;
    constexpr float kScale = 1.59576912160573071f;  // 2 sqrt(2/π)
    constexpr float kCubic = 0.044715f * kScale;
    // NaN stays.
    const float x = a > kFar ? kFar : a < -kFar ? -kFar : a;
    const float square = x * x;
    const SigmoidPair s = Sigmoid(x * fmaf(square, kCubic, kScale));
    const float bend = x * fmaf(square, 3.0f * kCubic, kScale) * s.complement;
    return {a * s.sigmoid, s.sigmoid * (bend + 1.0f)};
  }
};

// Calls `function` with one of the above.
template <typename Function>
void ForActivation(Activation activation, const Function& function) {
  switch (activation) {
    case Activation::kSilu:
      return function(Silu());
    case Activation::kGelu:
      return function(Gelu());
    case Activation::kGeluTanh:
      return function(GeluTanh());
    case Activation::kRelu:
      return function(Relu());
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ACTIVATION_FUNCTIONS_CUH_
