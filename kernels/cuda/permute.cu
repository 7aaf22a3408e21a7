// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory: Permute reads each token once and writes its rows, Unpermute
// reads the rows and writes each token once, both 16 bytes a thread where rows
// are aligned. GateGradient reads the rows once, and dy as often as a token has
// choices, from cache but for the first time.
#include <algorithm>
#include <cstdint>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/device_check.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/permute.h"
#include "switchyard/kernels/cuda/pieces.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int64_t kPaddingSlices = 16;  // blocks of a segment's padding

// Which rows of a buffer belong to which token.
struct Assignments {
  int64_t tokens, choices, width;
  Rows<const int32_t> rows;
  Rows<const float> gates;  // null: 1
  int64_t buffer_rows;

  // The row of a choice, negative for none.
  __device__ int64_t RowOf(int64_t token, int64_t choice) const {
    const int32_t row = rows[token][choice];
    SWITCHYARD_DEVICE_CHECK(row < buffer_rows);
    return row;
  }
};

// The pieces of tokens: each block has some tokens, or a part of one, such that
// the threads of a warp are neighbours in a row.
struct TokenPieces {
  int64_t pieces;  // of a token
  int threads;     // for a token, of a block

  __device__ int64_t Token() const {
    return int64_t{blockIdx.x} * (kBlock / threads) + threadIdx.x / threads;
  }
  __device__ int64_t First() const { return threadIdx.x % threads; }
};

TokenPieces TokenPiecesOf(int64_t width, int piece_size) {
  const int64_t pieces = width / piece_size;
  int threads = kWarp;
  while (threads < kBlock && threads < pieces) threads *= 2;
  return {pieces, threads};
}

// Without gates elements keep their bits, those of NaNs too.
template <typename T, int kCount>
__global__ void __launch_bounds__(kBlock)
    PermuteKernel(Assignments to, TokenPieces pieces, Rows<const T> x,
                  Rows<T> buffer) {
  const int64_t token = pieces.Token();
  if (token >= to.tokens) return;
  for (int64_t i = pieces.First(); i < pieces.pieces; i += pieces.threads) {
    T piece[kCount];
    LoadPiece(x[token] + i * kCount, piece);
    for (int64_t j = 0; j < to.choices; ++j) {
      const int64_t row = to.RowOf(token, j);
      if (row < 0) continue;
      const bool gated = to.gates.data != nullptr;
      const float gate = gated ? to.gates[token][j] : 1.0f;
      T scaled[kCount];
      for (int v = 0; v < kCount; ++v) {
        scaled[v] = gated ? FromFloat<T>(ToFloat(piece[v]) * gate) : piece[v];
      }
      StorePiece(scaled, buffer[row] + i * kCount);
    }
  }
}

template <typename T, int kCount>
__global__ void __launch_bounds__(kBlock)
    UnpermuteKernel(Assignments from, TokenPieces pieces, Rows<const T> buffer,
                    Rows<T> y) {
  const int64_t token = pieces.Token();
  if (token >= from.tokens) return;
  for (int64_t i = pieces.First(); i < pieces.pieces; i += pieces.threads) {
    float sums[kCount] = {};
    for (int64_t j = 0; j < from.choices; ++j) {
      const int64_t row = from.RowOf(token, j);
      if (row < 0) continue;
      const float gate =
          from.gates.data != nullptr ? from.gates[token][j] : 1.0f;
      T piece[kCount];  // widened one by one: fewer registers
      LoadPiece(buffer[row] + i * kCount, piece);
      for (int v = 0; v < kCount; ++v) {
        sums[v] = fmaf(gate, ToFloat(piece[v]), sums[v]);
      }
    }
    StorePiece(sums, y[token] + i * kCount);
  }
}

// A warp a choice.
template <typename T, int kCount>
__global__ void __launch_bounds__(kBlock)
    GateGradientKernel(Assignments from, Rows<const T> dy, Rows<const T> buffer,
                       Rows<float> dgates) {
  const int64_t assignment = int64_t{blockIdx.x} * WarpCount() + Warp();
  if (assignment >= from.tokens * from.choices) return;
  const int64_t token = assignment / from.choices;
  const int64_t choice = assignment % from.choices;
  const int64_t row = from.RowOf(token, choice);
  float sum = 0.0f;
  const int64_t pieces = row < 0 ? 0 : from.width / kCount;
  for (int64_t i = Lane(); i < pieces; i += kWarp) {
    float a[kCount], b[kCount];
    LoadPiece(dy[token] + i * kCount, a);
    LoadPiece(buffer[row] + i * kCount, b);
    for (int v = 0; v < kCount; ++v) sum = fmaf(a[v], b[v], sum);
  }
  sum = WarpSum(sum);
  if (Lane() == 0) dgates[token][choice] = sum;
}

// Blocks: segments by slices of their padding.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    ZeroPaddingKernel(const Segment* segments, int64_t width, Rows<T> buffer) {
  const Segment segment = segments[blockIdx.x];
  for (int64_t row = segment.rows + blockIdx.y; row < segment.padded_rows;
       row += gridDim.y) {
    for (int64_t i = threadIdx.x; i < width; i += kBlock) {
      buffer[segment.row + row][i] = FromFloat<T>(0.0f);
    }
  }
}

Assignments AssignmentsOf(const ConstTensorView& rows,
                          const ConstTensorView& gates,
                          const ConstTensorView& buffer) {
  return {rows.dim(0),           rows.dim(1),          buffer.dim(1),
          RowsOf<int32_t>(rows), RowsOf<float>(gates), buffer.dim(0)};
}

dim3 BlocksFor(int64_t items, int threads) {
  const int64_t per_block = kBlock / threads;
  return dim3(static_cast<unsigned>((items + per_block - 1) / per_block));
}

// Calls function(an element, Count<n>()) for pieces of n elements: one access
// where all rows of both views, which have one width, are a number of those.
template <typename Function>
void ForPieces(const ConstTensorView& a, const ConstTensorView& b,
               const Function& function) {
  ForFloating(a.dtype(), [&](auto zero) {
    constexpr int kMost = kPerAccess<decltype(zero)>;
    if (RowsAligned(a) && RowsAligned(b) && a.dim(1) % kMost == 0) {
      function(zero, Count<kMost>());
    } else {
      function(zero, Count<1>());
    }
  });
}

}  // namespace

void Permute(Stream& stream, const PermuteArgs& args) {
  const Assignments to = AssignmentsOf(args.rows, args.gates, args.buffer);
  if (to.tokens == 0 || to.choices == 0) return;
  ForPieces(args.x, args.buffer, [&]<typename T, int kCount>(T, Count<kCount>) {
    const TokenPieces pieces = TokenPiecesOf(to.width, kCount);
    SWITCHYARD_RUN((PermuteKernel<T, kCount>),
                   BlocksFor(to.tokens, pieces.threads), dim3(kBlock), 0,
                   CudaStreamOf(stream), to, pieces, RowsOf<T>(args.x),
                   MutableRowsOf<T>(args.buffer));
  });
}

void Unpermute(Stream& stream, const UnpermuteArgs& args) {
  const Assignments from = AssignmentsOf(args.rows, args.gates, args.buffer);
  if (from.tokens == 0) return;
  ForPieces(args.buffer, args.y, [&]<typename T, int kCount>(T, Count<kCount>) {
    const TokenPieces pieces = TokenPiecesOf(from.width, kCount);
    SWITCHYARD_RUN((UnpermuteKernel<T, kCount>),
                   BlocksFor(from.tokens, pieces.threads), dim3(kBlock), 0,
                   CudaStreamOf(stream), from, pieces, RowsOf<T>(args.buffer),
                   MutableRowsOf<T>(args.y));
  });
}

void GateGradient(Stream& stream, const GateGradientArgs& args) {
  const Assignments from = AssignmentsOf(args.rows, {}, args.buffer);
  const int64_t count = from.tokens * from.choices;
  if (count == 0) return;
  ForPieces(
      args.dy, args.buffer, [&]<typename T, int kCount>(T, Count<kCount>) {
        SWITCHYARD_RUN((GateGradientKernel<T, kCount>), BlocksFor(count, kWarp),
                       dim3(kBlock), 0, CudaStreamOf(stream), from,
                       RowsOf<T>(args.dy), RowsOf<T>(args.buffer),
                       MutableRowsOf<float>(args.dgates));
      });
}

void ZeroPadding(Stream& stream, absl::Span<const Segment> segments,
                 const TensorView& buffer) {
  if (segments.empty()) return;
  CudaStream& cuda_stream = CudaStreamOf(stream);
  const StreamScratch<Segment> table(cuda_stream, segments);
  ForFloating(buffer.dtype(), [&](auto zero) {
    using T = decltype(zero);
    SWITCHYARD_RUN(ZeroPaddingKernel<T>,
                   dim3(static_cast<unsigned>(segments.size()),
                        static_cast<unsigned>(kPaddingSlices)),
                   dim3(kBlock), 0, cuda_stream, table.data(), buffer.dim(1),
                   MutableRowsOf<T>(buffer));
  });
}

}  // namespace switchyard::kernels::cuda
