// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory: 20 bytes an element forward, 12 backward.
#include <cstdint>

#include "switchyard/kernels/cuda/noisy_logits.h"
#include "switchyard/kernels/cuda/pieces.cuh"
#include "switchyard/kernels/cuda/sigmoid.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kCount = kPerAccess<float>;

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which does not overflow. NaN gives
// NaN: the exponential sees to it.
__device__ __forceinline__ float Softplus(float x) {
  return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
}

struct Noise {
  Rows<const float> noise, width;
  Rows<float> logits, slope;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    float n[kCount], w[kCount], h[kCount];
    LoadPiece(noise[row] + column, n);
    LoadPiece(width[row] + column, w);
    LoadPiece(logits[row] + column, h);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      h[i] = fmaf(n[i], Softplus(w[i]), h[i]);
      n[i] *= Sigmoid(w[i]).sigmoid;
    }
    StorePiece(h, logits[row] + column);
    StorePiece(n, slope[row] + column);
  }
};

struct WidthGradient {
  Rows<const float> slope, dh;
  Rows<float> dwidth;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    float product[kCount], d[kCount];
    LoadPiece(slope[row] + column, product);
    LoadPiece(dh[row] + column, d);
#pragma unroll
    for (int i = 0; i < kCount; ++i) product[i] *= d[i];
    StorePiece(product, dwidth[row] + column);
  }
};

}  // namespace

void NoisyLogits(Stream& stream, const NoisyLogitsArgs& args) {
  ForEachPiece<kCount>(
      CudaStreamOf(stream),
      FlatPieces<kCount>(args.logits, args.noise, args.width, args.slope),
      Noise{RowsOf<float>(args.noise), RowsOf<float>(args.width),
            MutableRowsOf<float>(args.logits),
            MutableRowsOf<float>(args.slope)});
}

void NoisyLogitsBackward(Stream& stream, const NoisyLogitsBackwardArgs& args) {
  ForEachPiece<kCount>(
      CudaStreamOf(stream),
      FlatPieces<kCount>(args.dwidth, args.slope, args.dh),
      WidthGradient{RowsOf<float>(args.slope), RowsOf<float>(args.dh),
                    MutableRowsOf<float>(args.dwidth)});
}

}  // namespace switchyard::kernels::cuda
