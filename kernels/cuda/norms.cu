// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory. A block a chunk: element i adds to sum i mod kBlock, which
// its thread holds, and the threads' sums are joined in a tree. The order is
// that of the chunk alone.
#include <cmath>
#include <cstdint>
#include <vector>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/norms.h"
#include "switchyard/kernels/cuda/portable.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;

template <typename T>
struct Chunk {
  const T* data;
  int64_t count;
  int64_t place;
};

template <typename T>
__global__ void __launch_bounds__(kBlock)
    SumOfSquaresKernel(const Chunk<T>* chunks, double scale, double* result) {
  const Chunk<T> chunk = chunks[blockIdx.x];
  double sum = 0.0;
#pragma unroll 8
  for (int64_t i = threadIdx.x; i < chunk.count; i += kBlock) {
    const double g = static_cast<double>(chunk.data[i]);
    sum += g * g;
  }
  SWITCHYARD_SHARED(double, partial, [kWarp]);
  sum = BlockSum(sum, partial);
  if (threadIdx.x == 0) result[chunk.place] = scale * sum;
}

template <typename T>
void SumChunks(CudaStream& stream, const SumOfSquaresArgs& args, double scale) {
  std::vector<Chunk<T>> chunks;
  for (size_t i = 0; i < args.chunks.size(); ++i) {
    const ConstTensorView& chunk = args.chunks[i];
    chunks.push_back({static_cast<const T*>(chunk.raw()), chunk.element_count(),
                      args.places[i]});
  }
  const StreamScratch<Chunk<T>> table(stream, absl::MakeConstSpan(chunks));
  SWITCHYARD_RUN(SumOfSquaresKernel<T>,
                 dim3(static_cast<unsigned>(chunks.size())), dim3(kBlock), 0,
                 stream, table.data(), scale, args.result.data<double>());
}

}  // namespace

void SumOfSquares(Stream& stream, const SumOfSquaresArgs& args) {
  if (args.chunks.empty()) return;
  CudaStream& cuda = CudaStreamOf(stream);
  if (args.chunks[0].dtype() == DType::kInt64) {
    // A power of two: to scale the sum is to scale its terms.
    SumChunks<int64_t>(cuda, args, std::ldexp(1.0, -2 * args.fraction_bits));
  } else {
    SumChunks<float>(cuda, args, 1.0);
  }
}

}  // namespace switchyard::kernels::cuda
