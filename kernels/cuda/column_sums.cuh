// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums over the rows of a matrix: chunks of rows give partial sums, each in row
// order, and these are added in order. A column's order depends on nothing but
// the number of rows.
#ifndef SWITCHYARD_KERNELS_CUDA_COLUMN_SUMS_CUH_
#define SWITCHYARD_KERNELS_CUDA_COLUMN_SUMS_CUH_

#include <cstdint>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/portable.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int64_t kRowChunk = 64;  // rows of one partial sum
inline constexpr int kColumnBlock = 256;
inline constexpr int kColumnBlocks = 4;  // of a multiprocessor: 64 registers

// add(row, column, sum) returns the sum with a row's term.
template <typename Add>
__global__ void __launch_bounds__(kColumnBlock, kColumnBlocks)
    PartialColumnSumsKernel(Add add, int64_t rows, int64_t width,
                            float* partial) {
  const int64_t column = int64_t{blockIdx.y} * kColumnBlock + threadIdx.x;
  if (column >= width) return;
  const int64_t begin = blockIdx.x * kRowChunk;
  const int64_t end = begin + kRowChunk < rows ? begin + kRowChunk : rows;
  float sum = 0.0f;
#pragma unroll 4
  for (int64_t row = begin; row < end; ++row) sum = add(row, column, sum);
  partial[blockIdx.x * width + column] = sum;
}

// result[column] = the sum of the chunks' partial sums.
void AddPartialSums(CudaStream& stream, const float* partial, int64_t chunks,
                    int64_t width, float* result);

// result[column] = the sum over all rows. Overwrites.
template <typename Add>
void ColumnSums(CudaStream& stream, int64_t rows, int64_t width, const Add& add,
                float* result) {
  if (width == 0) return;
  const int64_t chunks = (rows + kRowChunk - 1) / kRowChunk;
  const unsigned columns =
      static_cast<unsigned>((width + kColumnBlock - 1) / kColumnBlock);
  const StreamScratch<float> partial(stream, chunks * width);
  if (chunks > 0) {
    SWITCHYARD_RUN(PartialColumnSumsKernel<Add>,
                   dim3(static_cast<unsigned>(chunks), columns),
                   dim3(kColumnBlock), 0, stream, add, rows, width,
                   partial.data());
  }
  AddPartialSums(stream, partial.data(), chunks, width, result);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_COLUMN_SUMS_CUH_
