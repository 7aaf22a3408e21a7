// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Bound by memory. Forward: an item (a row, or a group of one) is read once and
// kept in cache for its second pass. Backward: dy and x are read by two
// kernels, of which the first makes dweight, for dx may overwrite dy.
#include <cstdint>

#include "switchyard/kernels/cuda/column_sums.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/reductions.cuh"
#include "switchyard/kernels/cuda/rms_norm.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int64_t kNarrowWidth = 512;  // up to it a warp is enough for an item

// The items of a tensor: `groups` of `width` elements in every row.
struct Items {
  int64_t rows = 0;
  int64_t groups = 0;
  int64_t width = 0;

  int64_t count() const { return rows * groups; }
};

Items ItemsOf(const ConstTensorView& x, const ConstTensorView& weight) {
  const int64_t width = weight.dim(0);
  return {x.dim(0), x.shape().row_element_count() / width, width};
}

template <typename T>
__device__ __forceinline__ T* ItemOf(Rows<T> rows, const Items& items,
                                     int64_t item) {
  if (rows.data == nullptr) return nullptr;
  return rows[item / items.groups] + item % items.groups * items.width;
}

// An item belongs to kThreads threads: a warp, or the whole block.
template <int kThreads>
__device__ __forceinline__ int64_t OwnItem() {
  return kThreads == kWarp ? int64_t{blockIdx.x} * WarpCount() + Warp()
                           : int64_t{blockIdx.x};
}

// The sum of `value` over the item's threads.
template <int kThreads>
__device__ __forceinline__ float ItemSum(float value) {
  if constexpr (kThreads == kWarp) {
    return WarpSum(value);
  } else {
    SWITCHYARD_SHARED(float, partial, [kWarp]);
    return BlockSum(value, partial);
  }
}

template <typename T>
struct Forward {
  Items items;
  Rows<const T> x, add;
  const T* weight;
  float eps;
  Rows<T> sum, y;
  float* inverse_rms;
};

template <typename T, int kThreads>
__global__ void __launch_bounds__(kBlock) NormalizeKernel(Forward<T> args) {
  const int64_t item = OwnItem<kThreads>();
  if (item >= args.items.rows * args.items.groups) return;  // all its threads
  const int64_t width = args.items.width;
  const int first = threadIdx.x % kThreads;
  const T* x = ItemOf(args.x, args.items, item);
  const T* add = ItemOf(args.add, args.items, item);
  T* sum = ItemOf(args.sum, args.items, item);
  float squares = 0.0f;
  for (int64_t i = first; i < width; i += kThreads) {
    float v = ToFloat(x[i]);
    if (add != nullptr) {
      sum[i] = FromFloat<T>(v + ToFloat(add[i]));
      v = ToFloat(sum[i]);
    }
    squares = fmaf(v, v, squares);
  }
  const float mean =
      ItemSum<kThreads>(squares) / static_cast<float>(width) + args.eps;
  const float inverse = 1.0f / sqrtf(mean);
  if (first == 0) args.inverse_rms[item] = inverse;
  const T* input = add != nullptr ? sum : x;  // a thread reads what it wrote
  T* y = ItemOf(args.y, args.items, item);
  for (int64_t i = first; i < width; i += kThreads) {
    const float n = ToFloat(FromFloat<T>(ToFloat(input[i]) * inverse));
    y[i] = FromFloat<T>(n * ToFloat(args.weight[i]));
  }
}

template <typename T>
struct Backward {
  Items items;
  Rows<const T> dy, x;
  const T* weight;
  const float* inverse_rms;
  Rows<const T> dsum;
  Rows<T> dx;
};

template <typename T, int kThreads>
__global__ void __launch_bounds__(kBlock)
    InputGradientKernel(Backward<T> args) {
  const int64_t item = OwnItem<kThreads>();
  if (item >= args.items.rows * args.items.groups) return;
  const int64_t width = args.items.width;
  const int first = threadIdx.x % kThreads;
  const T* dy = ItemOf(args.dy, args.items, item);
  const T* x = ItemOf(args.x, args.items, item);
  const T* dsum = ItemOf(args.dsum, args.items, item);
  const float inverse = args.inverse_rms[item];
  float dot = 0.0f;
  for (int64_t i = first; i < width; i += kThreads) {
    const float g = ToFloat(dy[i]) * ToFloat(args.weight[i]);
    dot = fmaf(g, ToFloat(x[i]) * inverse, dot);
  }
  const float mean = ItemSum<kThreads>(dot) / static_cast<float>(width);
  T* dx = ItemOf(args.dx, args.items, item);
  for (int64_t i = first; i < width; i += kThreads) {
    const float g = ToFloat(dy[i]) * ToFloat(args.weight[i]);
    const float n = ToFloat(x[i]) * inverse;
    const float inner = fmaf(-n, mean, g);
    dx[i] =
        FromFloat<T>(dsum != nullptr ? fmaf(inner, inverse, ToFloat(dsum[i]))
                                     : inner * inverse);
  }
}

// What a row adds to dweight: the terms of its groups.
template <typename T>
struct WeightTerms {
  Backward<T> args;

  __device__ __forceinline__ float operator()(int64_t row, int64_t column,
                                              float sum) const {
    const Items& items = args.items;
    const int64_t first = row * items.groups;
    for (int64_t item = first; item < first + items.groups; ++item) {
      const float n =
          ToFloat(ItemOf(args.x, items, item)[column]) * args.inverse_rms[item];
      sum = fmaf(ToFloat(ItemOf(args.dy, items, item)[column]), n, sum);
    }
    return sum;
  }
};

// A warp an item where that keeps all lanes busy long enough, else a block.
dim3 BlocksFor(const Items& items) {
  const int64_t per_block = items.width <= kNarrowWidth ? kBlock / kWarp : 1;
  return dim3(
      static_cast<unsigned>((items.count() + per_block - 1) / per_block));
}

template <typename T>
void Normalize(CudaStream& stream, const RmsNormArgs& args) {
  const Items items = ItemsOf(args.x, args.weight);
  if (items.count() == 0) return;
  const Forward<T> forward = {items,
                              RowsOf<T>(args.x),
                              RowsOf<T>(args.add),
                              static_cast<const T*>(args.weight.raw()),
                              args.eps,
                              MutableRowsOf<T>(args.sum),
                              MutableRowsOf<T>(args.y),
                              args.inverse_rms.data<float>()};
  if (items.width <= kNarrowWidth) {
    SWITCHYARD_RUN((NormalizeKernel<T, kWarp>), BlocksFor(items), dim3(kBlock),
                   0, stream, forward);
  } else {
    SWITCHYARD_RUN((NormalizeKernel<T, kBlock>), BlocksFor(items), dim3(kBlock),
                   0, stream, forward);
  }
}

template <typename T>
void Differentiate(CudaStream& stream, const RmsNormBackwardArgs& args) {
  const Items items = ItemsOf(args.x, args.weight);
  const Backward<T> backward = {items,
                                RowsOf<T>(args.dy),
                                RowsOf<T>(args.x),
                                static_cast<const T*>(args.weight.raw()),
                                args.inverse_rms.data<float>(),
                                RowsOf<T>(args.dsum),
                                MutableRowsOf<T>(args.dx)};
  ColumnSums(stream, items.rows, items.width, WeightTerms<T>{backward},
             args.dweight.data<float>());
  if (items.count() == 0) return;
  if (items.width <= kNarrowWidth) {
    SWITCHYARD_RUN((InputGradientKernel<T, kWarp>), BlocksFor(items),
                   dim3(kBlock), 0, stream, backward);
  } else {
    SWITCHYARD_RUN((InputGradientKernel<T, kBlock>), BlocksFor(items),
                   dim3(kBlock), 0, stream, backward);
  }
}

}  // namespace

void RmsNorm(Stream& stream, const RmsNormArgs& args) {
  ForFloating(args.x.dtype(), [&](auto zero) {
    Normalize<decltype(zero)>(CudaStreamOf(stream), args);
  });
}

void RmsNormBackward(Stream& stream, const RmsNormBackwardArgs& args) {
  ForFloating(args.x.dtype(), [&](auto zero) {
    Differentiate<decltype(zero)>(CudaStreamOf(stream), args);
  });
}

}  // namespace switchyard::kernels::cuda
