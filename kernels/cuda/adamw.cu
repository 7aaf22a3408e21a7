// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One pass over memory, which bounds it: 34 bytes an element with int64 sums
// and bf16 weights, 30 with fp32 sums.
#include <cmath>
#include <cstdint>

#include "switchyard/kernels/cuda/adamw.h"
#include "switchyard/kernels/cuda/pieces.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kCount = kPerAccess<float>;

// The gradient from a sum: int64 in a unit that `wide` holds together with the
// scale, or fp32.
struct GradientScale {
  double wide;
  float narrow;

  __device__ __forceinline__ float Of(int64_t sum) const {
    return static_cast<float>(__ll2double_rn(sum) * wide);
  }
  __device__ __forceinline__ float Of(float sum) const { return sum * narrow; }
};

struct Coefficients {
  explicit Coefficients(const AdamWSettings& s)
      : scale{std::ldexp(double{s.gradient_scale}, -s.fraction_bits),
              s.gradient_scale},
        beta1(s.beta1),
        beta2(s.beta2),
        rest1(1.0f - s.beta1),
        rest2(1.0f - s.beta2),
        correction(s.inverse_sqrt_correction2),
        eps(s.eps),
        step(s.step_size),
        decay(s.learning_rate * s.weight_decay) {}

  GradientScale scale;
  float beta1, beta2, rest1, rest2, correction, eps, step, decay;
};

template <typename Sum, typename T>
struct Update {
  Coefficients by;
  const Sum* gradient;
  float *master, *m, *v;
  T* weight;

  template <int kCount>
  __device__ void Run(int64_t, int64_t at) const {
    Sum sum[kCount];
    float first[kCount], second[kCount], w[kCount];
    LoadPiece(gradient + at, sum);
    LoadPiece(m + at, first);
    LoadPiece(v + at, second);
    LoadPiece(master + at, w);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float g = by.scale.Of(sum[i]);
      first[i] = fmaf(by.beta1, first[i], by.rest1 * g);
      second[i] = fmaf(by.beta2, second[i], by.rest2 * (g * g));
      const float direction =
          first[i] / fmaf(sqrtf(second[i]), by.correction, by.eps);
      w[i] = fmaf(-by.step, direction, fmaf(-by.decay, w[i], w[i]));
    }
    StorePiece(first, m + at);
    StorePiece(second, v + at);
    StorePiece(w, master + at);
    StorePiece(w, weight + at);
  }
};

template <typename Sum, typename T>
void RunUpdate(CudaStream& stream, const AdamWArgs& args) {
  ForEachPiece<kCount>(
      stream,
      FlatPieces<kCount>(args.gradient, args.master, args.m, args.v,
                         args.weight),
      Update<Sum, T>{Coefficients(args.settings),
                     static_cast<const Sum*>(args.gradient.raw()),
                     args.master.data<float>(), args.m.data<float>(),
                     args.v.data<float>(), static_cast<T*>(args.weight.raw())});
}

}  // namespace

void AdamW(Stream& stream, const AdamWArgs& args) {
  ForFloating(args.weight.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (args.gradient.dtype() == DType::kInt64) {
      RunUpdate<int64_t, T>(CudaStreamOf(stream), args);
    } else {
      RunUpdate<float, T>(CudaStreamOf(stream), args);
    }
  });
}

}  // namespace switchyard::kernels::cuda
