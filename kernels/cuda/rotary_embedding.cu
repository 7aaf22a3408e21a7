// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory: x is read and written once. The table's rows are read once a
// head, but from cache.
#include <cstdint>
#include <vector>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cpu/rotary_embedding.h"
#include "switchyard/kernels/cuda/pieces.cuh"
#include "switchyard/kernels/cuda/rotary_embedding.h"

namespace switchyard::kernels::cuda {
namespace {

// Cosines of fp32 angles, computed in double and rounded.
struct Table {
  const float* frequencies;
  Rows<float> cos, sin;

  template <int kCount>
  __device__ void Run(int64_t position, int64_t j) const {
    static_assert(kCount == 1);
    const float angle = static_cast<float>(position) * frequencies[j];
    const double wide = static_cast<double>(angle);
    cos[position][j] = static_cast<float>(::cos(wide));
    sin[position][j] = static_cast<float>(::sin(wide));
  }
};

template <typename T>
struct Rotation {
  Rows<T> x;
  int64_t heads, half;
  Rows<const float> cos, sin;
  int64_t first_position, sequence_length;
  float sign;  // of the angle

  // (a, b) -> (a cos - b sin, b cos + a sin) for pairs of one head of a row.
  template <int kCount>
  __device__ void Run(int64_t item, int64_t j) const {
    const int64_t row = item / heads;
    const int64_t position = first_position + row % sequence_length;
    T* first = x[row] + (item - row * heads) * 2 * half + j;
    float c[kCount], s[kCount], a[kCount], b[kCount];
    LoadPiece(cos[position] + j, c);
    LoadPiece(sin[position] + j, s);
    LoadPiece(first, a);
    LoadPiece(first + half, b);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float sine = sign * s[i];
      const float turned = fmaf(-b[i], sine, a[i] * c[i]);
      b[i] = fmaf(a[i], sine, b[i] * c[i]);
      a[i] = turned;
    }
    StorePiece(a, first);
    StorePiece(b, first + half);
  }
};

}  // namespace

void RotaryTable(Stream& stream, double theta, const TensorView& cos,
                 const TensorView& sin) {
  const int64_t half = cos.dim(1);
  std::vector<float> frequencies(half);
  cpu::RotaryFrequencies(theta, half, frequencies.data());
  CudaStream& cuda = CudaStreamOf(stream);
  const StreamScratch<float> table(cuda, absl::MakeConstSpan(frequencies));
  RunPieces<1>(cuda, RowPieces<1>(cos.dim(0), half),
               Table{table.data(), MutableRowsOf<float>(cos),
                     MutableRowsOf<float>(sin)});
}

void Rotate(Stream& stream, const RotaryArgs& args) {
  ForFloating(args.x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    constexpr int kCount = kPerAccess<T>;
    const int64_t heads = args.x.dim(1), half = args.x.dim(2) / 2;
    Pieces pieces = RowPieces<kCount>(args.x.dim(0) * heads, half, args.x,
                                      args.cos, args.sin);
    if (half % kCount != 0) pieces.aligned = false;
    ForEachPiece<kCount>(
        CudaStreamOf(stream), pieces,
        Rotation<T>{MutableRowsOf<T>(args.x), heads, half,
                    RowsOf<float>(args.cos), RowsOf<float>(args.sin),
                    args.first_position, args.sequence_length,
                    args.backward ? -1.0f : 1.0f});
  });
}

}  // namespace switchyard::kernels::cuda
