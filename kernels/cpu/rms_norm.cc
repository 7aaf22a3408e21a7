// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/rms_norm.h"

#include <cmath>
#include <cstdint>

#include "switchyard/base/cpu/floating_point_mode.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/rms_norm.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// v as memory of this type would keep it.
HWY_INLINE V RoundTo(V v, const float* /*type*/) { return v; }
HWY_INLINE V RoundTo(V v, const BFloat16* /*type*/) {
  return RoundToBFloat16(v, D());
}

// One row. `add` and `sum` may be null, then x is normalised.
template <typename T>
HWY_INLINE void NormalizeRow(const T* x, const T* add, const T* weight,
                             float eps, int64_t width, T* sum, T* y,
                             float* inverse_rms) {
  const D d;
  const float squares =
      SumVectors(d, width, [&](int64_t i, auto lanes, V total) HWY_ATTR {
        V v = LoadFloats(d, x + i, lanes);
        if (add != nullptr) {
          v = RoundTo(hn::Add(v, LoadFloats(d, add + i, lanes)), x);
          StoreFloats(v, d, sum + i, lanes);
        }
        return hn::MulAdd(v, v, total);
      });
  const T* input = add != nullptr ? sum : x;
  *inverse_rms = 1.0f / std::sqrt(squares / static_cast<float>(width) + eps);
  const V factor = hn::Set(d, *inverse_rms);
  ForEachVector(d, width, [&](int64_t i, auto lanes) HWY_ATTR {
    const V n = RoundTo(hn::Mul(LoadFloats(d, input + i, lanes), factor), x);
    StoreFloats(hn::Mul(n, LoadFloats(d, weight + i, lanes)), d, y + i, lanes);
  });
}

// Row r's group g of a tensor, or null.
template <typename T>
HWY_INLINE const T* GroupOf(const ConstTensorView& view, int64_t r,
                            int64_t offset) {
  return view.defined() ? view.data<T>() + r * view.row_stride() + offset
                        : nullptr;
}
template <typename T>
HWY_INLINE T* GroupOf(const TensorView& view, int64_t r, int64_t offset) {
  return view.defined() ? view.data<T>() + r * view.row_stride() + offset
                        : nullptr;
}

template <typename T>
void NormalizeRows(const RmsNormArgs& args, int64_t begin, int64_t end) {
  const int64_t width = args.weight.dim(0);
  const int64_t groups = args.x.shape().row_element_count() / width;
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t offset = g * width;
      NormalizeRow(GroupOf<T>(args.x, r, offset),
                   GroupOf<T>(args.add, r, offset), args.weight.data<T>(),
                   args.eps, width, GroupOf<T>(args.sum, r, offset),
                   GroupOf<T>(args.y, r, offset),
                   args.inverse_rms.data<float>() + r * groups + g);
    }
  }
}

void RmsNormBlock(const RmsNormArgs& args, int64_t begin, int64_t end) {
  if (args.x.dtype() == DType::kFloat32) {
    NormalizeRows<float>(args, begin, end);
  } else {
    NormalizeRows<BFloat16>(args, begin, end);
  }
}

// One row; adds its share to dweight. dsum may be null, and dx may be dsum or
// dy.
template <typename T>
HWY_INLINE void BackwardRow(const T* dy, const T* x, const T* weight,
                            float inverse_rms, const T* dsum, int64_t width,
                            T* dx, float* dweight) {
  const D d;
  const V factor = hn::Set(d, inverse_rms);
  const float dot =
      SumVectors(d, width, [&](int64_t i, auto lanes, V sum) HWY_ATTR {
        const V g = hn::Mul(LoadFloats(d, dy + i, lanes),
                            LoadFloats(d, weight + i, lanes));
        const V n = hn::Mul(LoadFloats(d, x + i, lanes), factor);
        return hn::MulAdd(g, n, sum);
      });
  const V mean = hn::Set(d, dot / static_cast<float>(width));
  ForEachVector(d, width, [&](int64_t i, auto lanes) HWY_ATTR {
    const V up = LoadFloats(d, dy + i, lanes);
    const V g = hn::Mul(up, LoadFloats(d, weight + i, lanes));
    const V n = hn::Mul(LoadFloats(d, x + i, lanes), factor);
    const V inner = hn::NegMulAdd(n, mean, g);
    const V result =
        dsum != nullptr
            ? hn::MulAdd(inner, factor, LoadFloats(d, dsum + i, lanes))
            : hn::Mul(inner, factor);
    StoreFloats(result, d, dx + i, lanes);
    const V sum = LoadFloats(d, dweight + i, lanes);
    StoreFloats(hn::MulAdd(up, n, sum), d, dweight + i, lanes);
  });
}

template <typename T>
void BackwardRows(const RmsNormBackwardArgs& args, int64_t begin, int64_t end,
                  float* dweight) {
  const int64_t width = args.weight.dim(0);
  const int64_t groups = args.x.shape().row_element_count() / width;
  for (int64_t i = 0; i < width; ++i) dweight[i] = 0.0f;
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t offset = g * width;
      BackwardRow(GroupOf<T>(args.dy, r, offset), GroupOf<T>(args.x, r, offset),
                  args.weight.data<T>(),
                  args.inverse_rms.data<float>()[r * groups + g],
                  GroupOf<T>(args.dsum, r, offset), width,
                  GroupOf<T>(args.dx, r, offset), dweight);
    }
  }
}

void RmsNormBackwardBlock(const RmsNormBackwardArgs& args, int64_t begin,
                          int64_t end, float* dweight) {
  if (args.x.dtype() == DType::kFloat32) {
    BackwardRows<float>(args, begin, end, dweight);
  } else {
    BackwardRows<BFloat16>(args, begin, end, dweight);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(RmsNormBlock);
HWY_EXPORT(RmsNormBackwardBlock);

constexpr int64_t kRowBlock = 64;  // of one piece; part of dweight's order

struct PartialSums {};

// result = the sum of `count` rows of partial sums, in order.
void AddInOrder(const float* partial, int64_t count, int64_t width,
                float* result) {
  for (int64_t i = 0; i < width; ++i) result[i] = 0.0f;
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t i = 0; i < width; ++i) result[i] += partial[row * width + i];
  }
}

}  // namespace

void RmsNorm(const RmsNormArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(RmsNormBlock);
  ParallelForBlocks(
      threads, args.x.dim(0), kRowBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

void RmsNormBackward(const RmsNormBackwardArgs& args, int threads) {
  const ScopedFloatingPointMode mode;  // partial sums are added here
  const auto block = SWITCHYARD_DISPATCH(RmsNormBackwardBlock);
  const int64_t rows = args.x.dim(0);
  const int64_t width = args.weight.dim(0);
  const int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  float* partial = ThreadScratch<PartialSums, float>(blocks * width);
  ParallelForBlocks(threads, rows, kRowBlock, [&](int64_t begin, int64_t end) {
    block(args, begin, end, partial + begin / kRowBlock * width);
  });
  AddInOrder(partial, blocks, width, args.dweight.data<float>());
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
