// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Elementwise operators: rows are cut into pieces of kCount neighbouring
// elements, one for each thread. Where all operands are aligned, a piece is
// read and written by accesses of up to 16 bytes, and only what is left at a
// row's end element by element; else all pieces have one element, and the
// threads of a warp still access neighbours.
//
//   struct Doubled {
//     Rows<const float> x;
//     Rows<float> y;
//     template <int kCount>
//     __device__ void Run(int64_t row, int64_t column) const {
//       float v[kCount];
//       LoadPiece(x[row] + column, v);
//       for (int i = 0; i < kCount; ++i) v[i] *= 2;
//       StorePiece(v, y[row] + column);
//     }
//   };
//   ForEachPiece<4>(stream, FlatPieces<4>(x, y), Doubled{...});
#ifndef SWITCHYARD_KERNELS_CUDA_PIECES_CUH_
#define SWITCHYARD_KERNELS_CUDA_PIECES_CUH_

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "switchyard/base/tensor_view.h"
#include "switchyard/kernels/cuda/accesses.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/portable.cuh"

namespace switchyard::kernels::cuda {

// Elements that fill an access.
template <typename T>
inline constexpr int kPerAccess = kAccessBytes / sizeof(T);

// Of kCount elements, as many as one access moves.
template <typename T, int kCount>
inline constexpr int kAtOnce = kCount < kPerAccess<T> ? kCount : kPerAccess<T>;

// Between an element's type in memory and that in a piece: the same, whose bits
// stay, or fp32.
template <typename Wide, typename T>
__device__ __forceinline__ Wide Widen(T x) {
  if constexpr (std::is_same_v<T, Wide>) {
    return x;
  } else {
    return ToFloat(x);
  }
}
template <typename T, typename Wide>
__device__ __forceinline__ T Narrow(Wide x) {
  if constexpr (std::is_same_v<T, Wide>) {
    return x;
  } else {
    return FromFloat<T>(x);
  }
}

// kCount elements from `from` on, which is aligned if they are more than one.
template <typename T, typename Wide, int kCount>
__device__ __forceinline__ void LoadPiece(const T* from,
                                          Wide (&piece)[kCount]) {
  if constexpr (kCount == 1) {
    piece[0] = Widen<Wide>(*from);
  } else {
    constexpr int kStep = kAtOnce<T, kCount>;
#pragma unroll
    for (int i = 0; i < kCount; i += kStep) {
      uint32_t words[kStep * sizeof(T) / sizeof(uint32_t)];
      LoadWords(from + i, words);
      Unpack(words, piece + i, T());
    }
  }
}

// Likewise.
template <typename T, typename Wide, int kCount>
__device__ __forceinline__ void StorePiece(const Wide (&piece)[kCount], T* to) {
  if constexpr (kCount == 1) {
    *to = Narrow<T>(piece[0]);
  } else {
    constexpr int kStep = kAtOnce<T, kCount>;
#pragma unroll
    for (int i = 0; i < kCount; i += kStep) {
      uint32_t words[kStep * sizeof(T) / sizeof(uint32_t)];
      Pack(piece + i, words, T());
      StoreWords(words, to + i);
    }
  }
}

// What is cut into pieces.
struct Pieces {
  int64_t rows = 0;
  int64_t width = 0;
  bool aligned = false;
};

// What pieces of `count` elements are aligned to.
inline int64_t PieceBytes(const ConstTensorView& view, int count) {
  return std::min(count * static_cast<int64_t>(SizeOf(view.dtype())),
                  kAccessBytes);
}

// Row for row; operands may have other rows than these.
template <int kCount, typename... Views>
Pieces RowPieces(int64_t rows, int64_t width, const Views&... views) {
  return {rows, width, (RowsAligned(views, PieceBytes(views, kCount)) && ...)};
}

// Of views of one shape, whose rows are joined where all are packed.
template <int kCount, typename First, typename... Views>
Pieces FlatPieces(const First& first, const Views&... views) {
  if (first.contiguous() && (views.contiguous() && ...)) {
    return {1, first.element_count(),
            BeginsAligned(first, PieceBytes(first, kCount)) &&
                (BeginsAligned(views, PieceBytes(views, kCount)) && ...)};
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
  if (width - column >= kCount) {
    function.template Run<kCount>(row, column);
  } else {
    for (int64_t i = column; i < width; ++i) function.template Run<1>(row, i);
  }
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

// A number of elements that is known to the compiler.
template <int kCount>
struct Count {};

// For a block that has a row to itself: calls function(Count<n>(), column) for
// its threads' pieces of n = kCount elements, and of one at the row's end.
template <int kCount, typename Function>
__device__ __forceinline__ void ForPiecesOfRow(int64_t width,
                                               const Function& function) {
  const int64_t whole = width / kCount * kCount;
  for (int64_t i = int64_t{threadIdx.x} * kCount; i < whole;
       i += int64_t{blockDim.x} * kCount) {
    function(Count<kCount>(), i);
  }
  for (int64_t i = whole + threadIdx.x; i < width; i += blockDim.x) {
    function(Count<1>(), i);
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PIECES_CUH_
