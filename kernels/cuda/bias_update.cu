// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One block: there are at most a few hundred experts.
#include <cstdint>

#include "switchyard/kernels/cuda/bias_update.h"
#include "switchyard/kernels/cuda/portable.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;

__global__ void __launch_bounds__(kBlock)
    BiasUpdateKernel(const int64_t* counts, int64_t experts, float rate,
                     float* bias) {
  int64_t total = 0;
  for (int64_t e = threadIdx.x; e < experts; e += kBlock) total += counts[e];
  SWITCHYARD_SHARED(int64_t, partial, [kWarp]);
  total = BlockSum(total, partial);
  // counts_e · E might not fit: an integer is above total / E if it is above
  // the quotient rounded down, and below it if below the one rounded up.
  const int64_t floor = total / experts;
  const int64_t ceiling = floor + (total % experts != 0 ? 1 : 0);
  for (int64_t e = threadIdx.x; e < experts; e += kBlock) {
    if (counts[e] > floor) {
      bias[e] -= rate;
    } else if (counts[e] < ceiling) {
      bias[e] += rate;
    }
  }
}

}  // namespace

void BiasUpdate(Stream& stream, const BiasUpdateArgs& args) {
  const int64_t experts = args.bias.dim(0);
  if (experts == 0) return;
  CudaStream& cuda = CudaStreamOf(stream);
  SWITCHYARD_RUN(BiasUpdateKernel, dim3(1), dim3(kBlock), 0, cuda,
                 args.counts.data<int64_t>(), experts, args.rate,
                 args.bias.data<float>());
}

}  // namespace switchyard::kernels::cuda
