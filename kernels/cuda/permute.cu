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
#include "switchyard/kernels/cuda/packs.cuh"
#include "switchyard/kernels/cuda/permute.h"
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

// The packs of tokens: each block has some tokens, or a part of one, such that
// the threads of a warp are neighbours in a row.
struct TokenPacks {
  int64_t packs;  // of a token
  int threads;    // for a token, of a block

  __device__ int64_t Token() const {
    return int64_t{blockIdx.x} * (kBlock / threads) + threadIdx.x / threads;
  }
  __device__ int64_t First() const { return threadIdx.x % threads; }
};

TokenPacks TokenPacksOf(int64_t width, int pack_size) {
  const int64_t packs = width / pack_size;
  int threads = kWarp;
  while (threads < kBlock && threads < packs) threads *= 2;
  return {packs, threads};
}

template <typename T, typename P>
__global__ void __launch_bounds__(kBlock)
    PermuteKernel(Assignments to, TokenPacks packs, Rows<const T> x,
                  Rows<T> buffer) {
  const int64_t token = packs.Token();
  if (token >= to.tokens) return;
  for (int64_t i = packs.First(); i < packs.packs; i += packs.threads) {
    P pack;
    LoadPack(x[token] + i * P::kSize, pack);
    for (int64_t j = 0; j < to.choices; ++j) {
      const int64_t row = to.RowOf(token, j);
      if (row < 0) continue;
      P scaled = pack;
      if (to.gates.data != nullptr) {
        const float gate = to.gates[token][j];
        for (T& value : scaled.values) {
          value = FromFloat<T>(ToFloat(value) * gate);
        }
      }
      StorePack(scaled, buffer[row] + i * P::kSize);
    }
  }
}

template <typename T, typename P>
__global__ void __launch_bounds__(kBlock)
    UnpermuteKernel(Assignments from, TokenPacks packs, Rows<const T> buffer,
                    Rows<T> y) {
  const int64_t token = packs.Token();
  if (token >= from.tokens) return;
  for (int64_t i = packs.First(); i < packs.packs; i += packs.threads) {
    float sums[P::kSize] = {};
    for (int64_t j = 0; j < from.choices; ++j) {
      const int64_t row = from.RowOf(token, j);
      if (row < 0) continue;
      const float gate =
          from.gates.data != nullptr ? from.gates[token][j] : 1.0f;
      P pack;
      LoadPack(buffer[row] + i * P::kSize, pack);
      for (int v = 0; v < P::kSize; ++v) {
        sums[v] = fmaf(gate, ToFloat(pack.values[v]), sums[v]);
      }
    }
    P result;
    for (int v = 0; v < P::kSize; ++v) result.values[v] = FromFloat<T>(sums[v]);
    StorePack(result, y[token] + i * P::kSize);
  }
}

// A warp a choice.
template <typename T, typename P>
__global__ void __launch_bounds__(kBlock)
    GateGradientKernel(Assignments from, Rows<const T> dy, Rows<const T> buffer,
                       Rows<float> dgates) {
  const int64_t assignment = int64_t{blockIdx.x} * WarpCount() + Warp();
  if (assignment >= from.tokens * from.choices) return;
  const int64_t token = assignment / from.choices;
  const int64_t choice = assignment % from.choices;
  const int64_t row = from.RowOf(token, choice);
  float sum = 0.0f;
  const int64_t packs = row < 0 ? 0 : from.width / P::kSize;
  for (int64_t i = Lane(); i < packs; i += kWarp) {
    P a, b;
    LoadPack(dy[token] + i * P::kSize, a);
    LoadPack(buffer[row] + i * P::kSize, b);
    for (int v = 0; v < P::kSize; ++v) {
      sum = fmaf(ToFloat(a.values[v]), ToFloat(b.values[v]), sum);
    }
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

}  // namespace

void Permute(Stream& stream, const PermuteArgs& args) {
  const Assignments to = AssignmentsOf(args.rows, args.gates, args.buffer);
  if (to.tokens == 0 || to.choices == 0) return;
  ForPacks({args.x, args.buffer}, [&](auto element, auto pack) {
    using T = decltype(element);
    using P = decltype(pack);
    const TokenPacks packs = TokenPacksOf(to.width, P::kSize);
    SWITCHYARD_RUN((PermuteKernel<T, P>), BlocksFor(to.tokens, packs.threads),
                   dim3(kBlock), 0, CudaStreamOf(stream), to, packs,
                   RowsOf<T>(args.x), MutableRowsOf<T>(args.buffer));
  });
}

void Unpermute(Stream& stream, const UnpermuteArgs& args) {
  const Assignments from = AssignmentsOf(args.rows, args.gates, args.buffer);
  if (from.tokens == 0) return;
  ForPacks({args.buffer, args.y}, [&](auto element, auto pack) {
    using T = decltype(element);
    using P = decltype(pack);
    const TokenPacks packs = TokenPacksOf(from.width, P::kSize);
    SWITCHYARD_RUN((UnpermuteKernel<T, P>),
                   BlocksFor(from.tokens, packs.threads), dim3(kBlock), 0,
                   CudaStreamOf(stream), from, packs, RowsOf<T>(args.buffer),
                   MutableRowsOf<T>(args.y));
  });
}

void GateGradient(Stream& stream, const GateGradientArgs& args) {
  const Assignments from = AssignmentsOf(args.rows, {}, args.buffer);
  const int64_t count = from.tokens * from.choices;
  if (count == 0) return;
  ForPacks({args.dy, args.buffer}, [&](auto element, auto pack) {
    using T = decltype(element);
    using P = decltype(pack);
    SWITCHYARD_RUN((GateGradientKernel<T, P>), BlocksFor(count, kWarp),
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
