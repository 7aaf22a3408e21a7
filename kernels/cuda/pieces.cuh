// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Elementwise operators: rows are cut into pieces of up to kCount neighbouring
// elements, one for each thread. Where all operands are aligned, pieces are
// read and written by accesses of up to 16 bytes; else they have one element,
// and the threads of a warp still access neighbours.
//
//   struct Doubled {
//     Rows<const float> x;
//     Rows<float> y;
//     template <int kCount>
//     __device__ void Run(int64_t row, int64_t column, int count) const {
//       float v[kCount];
//       LoadPiece(x[row] + column, count, v);
//       for (int i = 0; i < kCount; ++i) v[i] *= 2;
//       StorePiece(v, count, y[row] + column);
//     }
//   };
//   ForEachPiece<4>(stream, FlatPieces<4>(x, y), Doubled{...});
#ifndef SWITCHYARD_KERNELS_CUDA_PIECES_CUH_
#define SWITCHYARD_KERNELS_CUDA_PIECES_CUH_

#include <cstdint>
#include <type_traits>

#include "switchyard/base/tensor_view.h"
#include "switchyard/kernels/cuda/accesses.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/portable.cuh"

namespace switchyard::kernels::cuda {

// Elements that fill 16 bytes.
template <typename T>
inline constexpr int kPerAccess = 16 / sizeof(T);

// Of `count` elements, as many as one access moves.
template <typename T>
constexpr int AtOnce(int count) {
  return count < kPerAccess<T> ? count : kPerAccess<T>;
}

__device__ __forceinline__ float Widen(float x) { return x; }
__device__ __forceinline__ float Widen(BFloat x) { return ToFloat(x); }
__device__ __forceinline__ int64_t Widen(int64_t x) { return x; }

template <typename T, typename Wide>
__device__ __forceinline__ T Narrow(Wide x) {
  if constexpr (std::is_same_v<T, Wide>) {
    return x;
  } else {
    return FromFloat<T>(x);
  }
}

// The first `count` elements from `from` on, and zeros behind them. A kCount of
// more than one means that `from` is aligned.
template <typename T, typename Wide, int kCount>
__device__ __forceinline__ void LoadPiece(const T* from, int count,
                                          Wide (&piece)[kCount]) {
  if constexpr (kCount > 1) {
    if (count == kCount) {
      constexpr int kStep = AtOnce<T>(kCount);
#pragma unroll
      for (int i = 0; i < kCount; i += kStep) {
        uint32_t words[kStep * sizeof(T) / sizeof(uint32_t)];
        LoadWords(from + i, words);
        Unpack(words, piece + i, T());
      }
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    piece[i] = i < count ? Widen(from[i]) : Wide(0);
  }
}

// Likewise.
template <typename T, typename Wide, int kCount>
__device__ __forceinline__ void StorePiece(const Wide (&piece)[kCount],
                                           int count, T* to) {
  if constexpr (kCount > 1) {
    if (count == kCount) {
      constexpr int kStep = AtOnce<T>(kCount);
#pragma unroll
      for (int i = 0; i < kCount; i += kStep) {
        uint32_t words[kStep * sizeof(T) / sizeof(uint32_t)];
        Pack(piece + i, words, T());
        StoreWords(words, to + i);
      }
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (i < count) to[i] = Narrow<T>(piece[i]);
  }
}

// What is cut into pieces.
struct Pieces {
  int64_t rows = 0;
  int64_t width = 0;
  bool aligned = false;
};

// Whether pieces of `count` elements may be accessed at once, in every one of
// `rows` rows.
inline bool IsAligned(const ConstTensorView& view, int64_t rows, int count) {
  const int64_t size = static_cast<int64_t>(SizeOf(view.dtype()));
  const int64_t bytes = count * size < 16 ? count * size : 16;
  return reinterpret_cast<uintptr_t>(view.raw()) % bytes == 0 &&
         (rows <= 1 || view.row_stride() * size % bytes == 0);
}

// Row for row.
template <int kCount, typename... Views>
Pieces RowPieces(int64_t rows, int64_t width, const Views&... views) {
  return {rows, width, (IsAligned(views, rows, kCount) && ...)};
}

// Of views of one shape, whose rows are joined where all are packed.
template <int kCount, typename First, typename... Views>
Pieces FlatPieces(const First& first, const Views&... views) {
  if (first.contiguous() && (views.contiguous() && ...)) {
    return RowPieces<kCount>(1, first.element_count(), first, views...);
  }
  return RowPieces<kCount>(first.dim(0), first.shape().row_element_count(),
                           first, views...);
}

inline constexpr int kPieceBlock = 256;

template <int kCount, typename Function>
__global__ void __launch_bounds__(kPieceBlock)
    PieceKernel(int64_t rows, int64_t width, Function function) {
  const int64_t per_row = (width + kCount - 1) / kCount;
  const int64_t index = int64_t{blockIdx.x} * kPieceBlock + threadIdx.x;
  if (index >= rows * per_row) return;
  const int64_t row = rows == 1 ? 0 : index / per_row;
  const int64_t column = (index - row * per_row) * kCount;
  const int64_t left = width - column;
  function.template Run<kCount>(
      row, column, left < kCount ? static_cast<int>(left) : kCount);
}

template <int kCount, typename Function>
void RunPieces(CudaStream& stream, const Pieces& pieces,
               const Function& function) {
  const int64_t count = pieces.rows * ((pieces.width + kCount - 1) / kCount);
  if (count == 0) return;
  const int64_t blocks = (count + kPieceBlock - 1) / kPieceBlock;
  SWITCHYARD_RUN((PieceKernel<kCount, Function>),
                 dim3(static_cast<unsigned>(blocks)), dim3(kPieceBlock), 0,
                 stream, pieces.rows, pieces.width, function);
}

// `kCount` as in `pieces`.
template <int kCount, typename Function>
void ForEachPiece(CudaStream& stream, const Pieces& pieces,
                  const Function& function) {
  if (pieces.aligned) {
    RunPieces<kCount>(stream, pieces, function);
  } else {
    RunPieces<1>(stream, pieces, function);
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PIECES_CUH_
