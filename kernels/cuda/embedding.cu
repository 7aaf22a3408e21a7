// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory. Forward: a table's row is read for each token. The gradient:
// tokens are sorted by id; the thread that has a piece of the first token of an
// id adds the others' in order: dy is read once, and the sums of ids that occur
// are read and written once. An id that occurs n times takes n additions in a
// row whose loads are eight at a time under way, some 100 ns each: 0.2 ms for
// one that makes up a twentieth of 32k tokens, 3 ms for one that makes up all.
#include <cstdint>
#include <type_traits>

#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/device_check.cuh"
#include "switchyard/kernels/cuda/embedding.h"
#include "switchyard/kernels/cuda/gradient_sum.cuh"
#include "switchyard/kernels/cuda/pieces.cuh"
#include "switchyard/kernels/cuda/token_order.h"

namespace switchyard::kernels::cuda {
namespace {

template <typename T>
struct Lookup {
  Rows<const T> table;
  int64_t table_rows;
  const int32_t* ids;
  Rows<T> y;

  template <int kCount>
  __device__ void Run(int64_t token, int64_t column) const {
    const int32_t id = ids[token];
    SWITCHYARD_DEVICE_CHECK(0 <= id && id < table_rows);
    float values[kCount];
    LoadPiece(table[id] + column, values);
    StorePiece(values, y[token] + column);
  }
};

template <typename T, typename Adder>
struct Gradient {
  const int32_t* ids;
  const int32_t* order;  // tokens by id
  int64_t tokens;
  Rows<const T> dy;
  Adder adder;
  Rows<typename Adder::Sum> sum;
  int64_t* refused;

  __device__ __forceinline__ int32_t IdAt(int64_t place) const {
    return ids[order[place]];
  }

  // The first place behind `begin` with another id: steps that double, then
  // bisection.
  __device__ int64_t EndOfId(int64_t begin, int32_t id) const {
    int64_t same = begin, other = begin + 1;
    while (other < tokens && IdAt(other) == id) {
      same = other;
      other += other - begin;
    }
    if (other > tokens) other = tokens;
    while (other - same > 1) {
      const int64_t middle = (same + other) / 2;
      (IdAt(middle) == id ? same : other) = middle;
    }
    return other;
  }

  template <int kCount>
  __device__ void Run(int64_t place, int64_t column) const {
    const int32_t id = IdAt(place);
    if (place > 0 && IdAt(place - 1) == id) return;
    const int64_t end = EndOfId(place, id);
    float leaf[kCount];
    LoadPiece(dy[order[place]] + column, leaf);
#pragma unroll 8
    for (int64_t next = place + 1; next < end; ++next) {
      float addend[kCount];
      LoadPiece(dy[order[next]] + column, addend);
#pragma unroll
      for (int i = 0; i < kCount; ++i) leaf[i] += addend[i];
    }
    AddPiece(adder, leaf, sum[id] + column, refused);
  }
};

template <typename T>
void RunGradient(CudaStream& stream, const EmbeddingGradientArgs& args,
                 const int32_t* order) {
  constexpr int kCount = kPerAccess<float>;
  const TensorView& sum = args.gradient.sum;
  ForSum(sum.dtype(), args.format, [&](const auto& adder) {
    using Adder = std::decay_t<decltype(adder)>;
    ForEachPiece<kCount>(
        stream, RowPieces<kCount>(args.dy.dim(0), args.dy.dim(1), args.dy, sum),
        Gradient<T, Adder>{args.ids.data<int32_t>(), order, args.dy.dim(0),
                           RowsOf<T>(args.dy), adder,
                           MutableRowsOf<typename Adder::Sum>(sum),
                           args.gradient.refused.data<int64_t>()});
  });
}

}  // namespace

void Embedding(Stream& stream, const ConstTensorView& table,
               const ConstTensorView& ids, const TensorView& y) {
  ForFloating(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    ForEachPiece<kPerAccess<T>>(
        CudaStreamOf(stream),
        RowPieces<kPerAccess<T>>(y.dim(0), y.dim(1), table, y),
        Lookup<T>{RowsOf<T>(table), table.dim(0), ids.data<int32_t>(),
                  MutableRowsOf<T>(y)});
  });
}

void EmbeddingGradient(Stream& stream, const EmbeddingGradientArgs& args) {
  CudaStream& cuda = CudaStreamOf(stream);
  const int64_t tokens = args.dy.dim(0);
  const StreamScratch<int32_t> order(cuda, tokens);
  SortTokensById(cuda, args.ids.data<int32_t>(), tokens,
                 args.gradient.sum.dim(0), order.data());
  ForFloating(args.dy.dtype(), [&](auto zero) {
    RunGradient<decltype(zero)>(cuda, args, order.data());
  });
}

}  // namespace switchyard::kernels::cuda
