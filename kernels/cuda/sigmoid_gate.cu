// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory. A block a token: forward it reads x for the logit, then
// scales; backward dy is read again from cache.
#include <cstdint>

#include "switchyard/kernels/cuda/pieces.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"
#include "switchyard/kernels/cuda/sigmoid.cuh"
#include "switchyard/kernels/cuda/sigmoid_gate.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int kBlocks = 4;  // of a multiprocessor: 64 registers

// A piece that one access reads if tensors are aligned. Threads own the same
// pieces if not: sums have one order.
template <bool kAligned, typename T, int kCount>
__device__ __forceinline__ void Load(const T* from, float (&piece)[kCount]) {
  if constexpr (kAligned) {
    LoadPiece(from, piece);
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) piece[i] = ToFloat(from[i]);
  }
}
template <bool kAligned, typename T, int kCount>
__device__ __forceinline__ void Store(const float (&piece)[kCount], T* to) {
  if constexpr (kAligned) {
    StorePiece(piece, to);
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) to[i] = FromFloat<T>(piece[i]);
  }
}

// Of two rows; every thread of the block gets it.
template <bool kAligned, typename T>
__device__ __forceinline__ float Dot(const T* a, const T* b, int64_t width) {
  float sum = 0.0f;
  ForPiecesOfRow<kPerAccess<T>>(width, [&]<int n>(Count<n>, int64_t column) {
    float x[n], y[n];
    Load<kAligned>(a + column, x);
    Load<kAligned>(b + column, y);
#pragma unroll
    for (int i = 0; i < n; ++i) sum = fmaf(x[i], y[i], sum);
  });
  SWITCHYARD_SHARED(float, partial, [kWarp]);
  return BlockSum(sum, partial);
}

// y = factor · x, added to y if told to.
template <bool kAdd, bool kAligned, typename T>
__device__ __forceinline__ void Scale(const T* x, float factor, int64_t width,
                                      T* y) {
  ForPiecesOfRow<kPerAccess<T>>(width, [&]<int n>(Count<n>, int64_t column) {
    float from[n], to[n];
    Load<kAligned>(x + column, from);
    if constexpr (kAdd) Load<kAligned>(y + column, to);
#pragma unroll
    for (int i = 0; i < n; ++i) {
      if constexpr (kAdd) {
        to[i] = fmaf(factor, from[i], to[i]);
      } else {
        to[i] = factor * from[i];
      }
    }
    Store<kAligned>(to, y + column);
  });
}

template <typename T>
struct Forward {
  Rows<const T> x;
  int64_t in;
  const T* weight;
  Rows<const T> value;
  int64_t width;
  Rows<float> logits;
  Rows<T> y;
};

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kBlock, kBlocks) OpenKernel(Forward<T> args) {
  const int64_t token = blockIdx.x;
  const float logit = Dot<kAligned>(args.x[token], args.weight, args.in);
  if (threadIdx.x == 0) *args.logits[token] = logit;
  Scale<true, kAligned>(args.value[token], Sigmoid(logit).sigmoid, args.width,
                        args.y[token]);
}

template <typename T>
struct Backward {
  Rows<const T> dy, value;
  int64_t width;
  const T* weight;
  Rows<const float> logits;
  Rows<T> dvalue, dlogits, dx;
  int64_t in;
};

// dvalue may be value: the dot is complete before it is written.
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kBlock, kBlocks)
    CloseKernel(Backward<T> args) {
  const int64_t token = blockIdx.x;
  const SigmoidPair gate = Sigmoid(*args.logits[token]);
  const float dot =
      Dot<kAligned>(args.dy[token], args.value[token], args.width);
  const float dlogit = dot * (gate.sigmoid * gate.complement);
  if (threadIdx.x == 0) *args.dlogits[token] = FromFloat<T>(dlogit);
  Scale<false, kAligned>(args.dy[token], gate.sigmoid, args.width,
                         args.dvalue[token]);
  Scale<true, kAligned>(args.weight, dlogit, args.in, args.dx[token]);
}

template <typename T>
void Open(CudaStream& stream, const SigmoidGateArgs& args) {
  constexpr int kCount = kPerAccess<T>;
  const int64_t tokens = args.x.dim(0);
  if (tokens == 0) return;
  const Forward<T> forward = {RowsOf<T>(args.x),
                              args.x.dim(1),
                              static_cast<const T*>(args.weight.raw()),
                              RowsOf<T>(args.value),
                              args.value.dim(1),
                              MutableRowsOf<float>(args.logits),
                              MutableRowsOf<T>(args.y)};
  const bool aligned =
      RowPieces<kCount>(tokens, 0, args.x, args.weight, args.value, args.y)
          .aligned;
  const auto kernel = aligned ? OpenKernel<T, true> : OpenKernel<T, false>;
  SWITCHYARD_RUN(kernel, dim3(static_cast<unsigned>(tokens)), dim3(kBlock), 0,
                 stream, forward);
}

template <typename T>
void Close(CudaStream& stream, const SigmoidGateBackwardArgs& args) {
  constexpr int kCount = kPerAccess<T>;
  const int64_t tokens = args.dy.dim(0);
  if (tokens == 0) return;
  const Backward<T> backward = {RowsOf<T>(args.dy),
                                RowsOf<T>(args.value),
                                args.dy.dim(1),
                                static_cast<const T*>(args.weight.raw()),
                                RowsOf<float>(args.logits),
                                MutableRowsOf<T>(args.dvalue),
                                MutableRowsOf<T>(args.dlogits),
                                MutableRowsOf<T>(args.dx),
                                args.dx.dim(1)};
  const bool aligned = RowPieces<kCount>(tokens, 0, args.dy, args.value,
                                         args.weight, args.dvalue, args.dx)
                           .aligned;
  const auto kernel = aligned ? CloseKernel<T, true> : CloseKernel<T, false>;
  SWITCHYARD_RUN(kernel, dim3(static_cast<unsigned>(tokens)), dim3(kBlock), 0,
                 stream, backward);
}

}  // namespace

void SigmoidGate(Stream& stream, const SigmoidGateArgs& args) {
  ForFloating(args.x.dtype(), [&](auto zero) {
    Open<decltype(zero)>(CudaStreamOf(stream), args);
  });
}

void SigmoidGateBackward(Stream& stream, const SigmoidGateBackwardArgs& args) {
  ForFloating(args.dy.dtype(), [&](auto zero) {
    Close<decltype(zero)>(CudaStreamOf(stream), args);
  });
}

}  // namespace switchyard::kernels::cuda
