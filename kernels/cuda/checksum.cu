// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by 64-bit multiplications: two mixes an element, of six each. Sums
// modulo 2^64 have no order, so blocks add theirs by an atomic.
#include <algorithm>
#include <cstdint>

#include "switchyard/kernels/cuda/checksum.h"
#include "switchyard/kernels/cuda/portable.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int64_t kMostBlocks = 4096;

// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
__device__ __forceinline__ uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

template <typename Bits>
__global__ void __launch_bounds__(kBlock)
    ChecksumKernel(const Bits* bits, int64_t count, unsigned long long* total) {
  uint64_t sum = 0;
  for (int64_t i = int64_t{blockIdx.x} * kBlock + threadIdx.x; i < count;
       i += int64_t{gridDim.x} * kBlock) {
    const uint64_t place = static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15u;
    sum += Mix(Mix(place + 1) ^ bits[i]);
  }
  SWITCHYARD_SHARED(uint64_t, partial, [kWarp]);
  sum = BlockSum(sum, partial);
  if (threadIdx.x == 0) atomicAdd(total, sum);
}

template <typename Bits>
void AddUp(CudaStream& stream, const ConstTensorView& x,
           const TensorView& result) {
  const int64_t count = x.element_count();
  const int64_t blocks = std::min(kMostBlocks, (count + kBlock - 1) / kBlock);
  SWITCHYARD_RUN(ChecksumKernel<Bits>, dim3(static_cast<unsigned>(blocks)),
                 dim3(kBlock), 0, stream, static_cast<const Bits*>(x.raw()),
                 count, static_cast<unsigned long long*>(result.raw()));
}

}  // namespace

void Checksum(Stream& stream, const ConstTensorView& x,
              const TensorView& result) {
  stream.Zero(result);
  if (x.element_count() == 0) return;
  CudaStream& cuda = CudaStreamOf(stream);
  switch (SizeOf(x.dtype())) {
    case 2:
      return AddUp<uint16_t>(cuda, x, result);
    case 4:
      return AddUp<uint32_t>(cuda, x, result);
    default:
      return AddUp<uint64_t>(cuda, x, result);
  }
}

}  // namespace switchyard::kernels::cuda
