// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cuda/column_sums.cuh"

namespace switchyard::kernels::cuda {
namespace {

__global__ void __launch_bounds__(kColumnBlock)
    AddPartialSumsKernel(const float* partial, int64_t chunks, int64_t width,
                         float* result) {
  const int64_t column = int64_t{blockIdx.x} * kColumnBlock + threadIdx.x;
  if (column >= width) return;
  float sum = 0.0f;
#pragma unroll 8
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    sum += partial[chunk * width + column];
  }
  result[column] = sum;
}

}  // namespace

void AddPartialSums(CudaStream& stream, const float* partial, int64_t chunks,
                    int64_t width, float* result) {
  const int64_t blocks = (width + kColumnBlock - 1) / kColumnBlock;
  SWITCHYARD_RUN(AddPartialSumsKernel, dim3(static_cast<unsigned>(blocks)),
                 dim3(kColumnBlock), 0, stream, partial, chunks, width, result);
}

}  // namespace switchyard::kernels::cuda
