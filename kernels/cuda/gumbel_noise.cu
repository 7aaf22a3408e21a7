// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by arithmetic: about 60 operations an element, of four bytes.
#include <cstdint>

#include "switchyard/kernels/cuda/gumbel_noise.h"
#include "switchyard/kernels/cuda/philox.cuh"
#include "switchyard/kernels/cuda/pieces.cuh"

namespace switchyard::kernels::cuda {
namespace {

struct Gumbel {
  Rows<float> noise;
  uint64_t key;
  int64_t first_token;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    uint32_t words[kCount];
    RandomWords(TokenRow(key, first_token + row, 0x67756d62), column, words);
    float values[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      values[i] = -logf(-logf(UnitInterval(words[i])));
    }
    StorePiece(values, noise[row] + column);
  }
};

}  // namespace

void GumbelNoise(Stream& stream, const GumbelNoiseArgs& args) {
  constexpr int kCount = kPerAccess<float>;
  ForEachPiece<kCount>(
      CudaStreamOf(stream),
      RowPieces<kCount>(args.noise.dim(0), args.noise.dim(1), args.noise),
      Gumbel{MutableRowsOf<float>(args.noise), args.key, args.first_token});
}

}  // namespace switchyard::kernels::cuda
