// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory where rows are aligned: 20 operations an element, of four
// bytes and more. A thread finds its segment among those that have rows by
// bisection.
#include <cstdint>
#include <vector>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/dropout.h"
#include "switchyard/kernels/cuda/philox.cuh"
#include "switchyard/kernels/cuda/pieces.cuh"

namespace switchyard::kernels::cuda {
namespace {

// Rows of segments are numbered one after the other.
struct NumberedSegment {
  int64_t first;  // number of its first row
  int64_t row;    // of x, where that lies
  uint64_t key;
};

template <typename T>
struct Dropout {
  const NumberedSegment* segments;
  int64_t segment_count;
  uint32_t threshold;  // words below it drop
  float scale;         // of what stays
  Rows<T> x;

  // The last one that begins at `number` or before.
  __device__ __forceinline__ NumberedSegment SegmentOf(int64_t number) const {
    int64_t begin = 0, end = segment_count;
    while (end - begin > 1) {
      const int64_t middle = (begin + end) / 2;
      (segments[middle].first <= number ? begin : end) = middle;
    }
    return segments[begin];
  }

  template <int kCount>
  __device__ void Run(int64_t number, int64_t column) const {
    const NumberedSegment segment = SegmentOf(number);
    const int64_t row = number - segment.first;
    uint32_t words[kCount];
    RandomWords({segment.key, {static_cast<uint32_t>(row), 0x64726f70, 0}},
                column, words);
    T* elements = x[segment.row + row] + column;
    float values[kCount];
    LoadPiece(elements, values);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      values[i] = words[i] < threshold ? 0.0f : values[i] * scale;
    }
    StorePiece(values, elements);
  }
};

}  // namespace

void SegmentDropout(Stream& stream, const SegmentDropoutArgs& args) {
  std::vector<NumberedSegment> segments;
  int64_t rows = 0;
  for (size_t s = 0; s < args.segments.size(); ++s) {
    const Segment& segment = args.segments[s];
    if (segment.rows == 0) continue;
    segments.push_back({rows, segment.row, args.keys[s]});
    rows += segment.rows;
  }
  if (rows == 0) return;
  CudaStream& cuda = CudaStreamOf(stream);
  const StreamScratch<NumberedSegment> table(cuda,
                                             absl::MakeConstSpan(segments));
  ForFloating(args.x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    ForEachPiece<kPerAccess<T>>(
        cuda, RowPieces<kPerAccess<T>>(rows, args.x.dim(1), args.x),
        Dropout<T>{table.data(), static_cast<int64_t>(segments.size()),
                   static_cast<uint32_t>(args.rate * 0x1p32),
                   static_cast<float>(1.0 / (1.0 - args.rate)),
                   MutableRowsOf<T>(args.x)});
  });
}

}  // namespace switchyard::kernels::cuda
