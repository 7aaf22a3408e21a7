// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// 8 bytes and 25 operations an element, most of them Philox's.
#include <cstdint>

#include "switchyard/kernels/cuda/philox.cuh"
#include "switchyard/kernels/cuda/pieces.cuh"
#include "switchyard/kernels/cuda/router_jitter.h"

namespace switchyard::kernels::cuda {
namespace {

struct Jitter {
  Rows<const float> x;
  Rows<float> y;
  float least, range;  // of factors
  uint64_t key;
  int64_t first_token;

  template <int kCount>
  __device__ void Run(int64_t row, int64_t column) const {
    uint32_t words[kCount];
    RandomWords(TokenRow(key, first_token + row, 0x6a697474), column, words);
    float values[kCount];
    LoadPiece(x[row] + column, values);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      values[i] *= fmaf(UnitInterval(words[i]), range, least);
    }
    StorePiece(values, y[row] + column);
  }
};

}  // namespace

void RouterJitter(Stream& stream, const RouterJitterArgs& args) {
  constexpr int kCount = kPerAccess<float>;
  ForEachPiece<kCount>(
      CudaStreamOf(stream),
      RowPieces<kCount>(args.x.dim(0), args.x.dim(1), args.x, args.y),
      Jitter{RowsOf<float>(args.x), MutableRowsOf<float>(args.y),
             static_cast<float>(1.0 - args.eps),
             static_cast<float>(2.0 * args.eps), args.key, args.first_token});
}

}  // namespace switchyard::kernels::cuda
