// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/rotary_embedding.h"

#include <cmath>
#include <cstdint>

#include "switchyard/base/cpu/floating_point_mode.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/rotary_embedding.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Turns the heads of one row: (a, b) -> (a cos - b sin, b cos + a sin).
template <typename T>
HWY_INLINE void RotateRow(T* x, int64_t heads, int64_t half, const float* cos,
                          const float* sin, bool backward) {
  const D d;
  ForEachVector(d, half, [&](int64_t i, auto lanes) HWY_ATTR {
    const V c = LoadFloats(d, cos + i, lanes);
    const V forward_sine = LoadFloats(d, sin + i, lanes);
    const V s = backward ? hn::Neg(forward_sine) : forward_sine;
    for (int64_t head = 0; head < heads; ++head) {
      T* first = x + head * 2 * half + i;
      T* second = first + half;
      const V a = LoadFloats(d, first, lanes);
      const V b = LoadFloats(d, second, lanes);
      StoreFloats(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, first, lanes);
      StoreFloats(hn::MulAdd(a, s, hn::Mul(b, c)), d, second, lanes);
    }
  });
}

template <typename T>
void RotateRows(const RotaryArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const int64_t position = args.first_position + r % args.sequence_length;
    RotateRow(args.x.data<T>() + r * args.x.row_stride(), args.x.dim(1),
              args.x.dim(2) / 2,
              args.cos.data<float>() + position * args.cos.row_stride(),
              args.sin.data<float>() + position * args.sin.row_stride(),
              args.backward);
  }
}

void RotateBlock(const RotaryArgs& args, int64_t begin, int64_t end) {
  if (args.x.dtype() == DType::kFloat32) {
    RotateRows<float>(args, begin, end);
  } else {
    RotateRows<BFloat16>(args, begin, end);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(RotateBlock);

constexpr int64_t kRowBlock = 64;  // of one piece of work

struct Frequencies {};

}  // namespace

void RotaryFrequencies(double theta, int64_t half, float* frequencies) {
  const ScopedFloatingPointMode mode;
  for (int64_t j = 0; j < half; ++j) {
    // As Hugging Face computes it.
    const float exponent =
        static_cast<float>(2 * j) / static_cast<float>(2 * half);
    const float power =
        static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    frequencies[j] = 1.0f / power;
  }
}

void RotaryTable(double theta, const TensorView& cos, const TensorView& sin,
                 int threads) {
  const int64_t half = cos.dim(1);
  float* frequencies = ThreadScratch<Frequencies, float>(half);
  RotaryFrequencies(theta, half, frequencies);
  ParallelForBlocks(
      threads, cos.dim(0), kRowBlock, [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
          for (int64_t j = 0; j < half; ++j) {
            const float angle = static_cast<float>(p) * frequencies[j];
            const double wide = static_cast<double>(angle);
            cos.data<float>()[p * cos.row_stride() + j] =
                static_cast<float>(std::cos(wide));
            sin.data<float>()[p * sin.row_stride() + j] =
                static_cast<float>(std::sin(wide));
          }
        }
      });
}

void Rotate(const RotaryArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(RotateBlock);
  ParallelForBlocks(
      threads, args.x.dim(0), kRowBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
