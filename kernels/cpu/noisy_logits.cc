// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/noisy_logits.h"

#include <cstdint>

#include "switchyard/kernels/cpu/row_runs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/noisy_logits.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/sigmoid-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which does not overflow. NaN gives
// NaN: the exponential sees to it.
V Softplus(D d, V x) {
  const V e = VectorExp(d, hn::Neg(hn::Abs(x)));
  return hn::Add(hn::Max(x, hn::Zero(d)),
                 hn::IfThenElse(hn::IsNaN(e), e, hn::Log1p(d, e)));
}

void AddNoise(const NoisyLogitsArgs& args, int64_t row, int64_t column,
              int64_t count) {
  const D d;
  const float* noise = ElementAt<float>(args.noise, row, column);
  const float* width = ElementAt<float>(args.width, row, column);
  float* logits = ElementAt<float>(args.logits, row, column);
  float* slope = ElementAt<float>(args.slope, row, column);
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const V n = LoadFloats(d, noise + i, lanes);
    const V w = LoadFloats(d, width + i, lanes);
    const V clean = LoadFloats(d, logits + i, lanes);
    StoreFloats(hn::MulAdd(n, Softplus(d, w), clean), d, logits + i, lanes);
    StoreFloats(hn::Mul(n, Sigmoid(d, w).sigmoid), d, slope + i, lanes);
  });
}

void ScaleGradient(const NoisyLogitsBackwardArgs& args, int64_t row,
                   int64_t column, int64_t count) {
  const D d;
  const float* slope = ElementAt<float>(args.slope, row, column);
  const float* dh = ElementAt<float>(args.dh, row, column);
  float* dwidth = ElementAt<float>(args.dwidth, row, column);
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    StoreFloats(
        hn::Mul(LoadFloats(d, slope + i, lanes), LoadFloats(d, dh + i, lanes)),
        d, dwidth + i, lanes);
  });
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(AddNoise);
HWY_EXPORT(ScaleGradient);

}  // namespace

void NoisyLogits(const NoisyLogitsArgs& args, int threads) {
  const auto run = SWITCHYARD_DISPATCH(AddNoise);
  const bool packed = args.noise.contiguous() && args.width.contiguous() &&
                      args.logits.contiguous() && args.slope.contiguous();
  ForEachRun(threads, args.logits.dim(0), args.logits.dim(1), packed,
             [&](int64_t row, int64_t column, int64_t count) {
               run(args, row, column, count);
             });
}

void NoisyLogitsBackward(const NoisyLogitsBackwardArgs& args, int threads) {
  const auto run = SWITCHYARD_DISPATCH(ScaleGradient);
  const bool packed = args.slope.contiguous() && args.dh.contiguous() &&
                      args.dwidth.contiguous();
  ForEachRun(threads, args.dwidth.dim(0), args.dwidth.dim(1), packed,
             [&](int64_t row, int64_t column, int64_t count) {
               run(args, row, column, count);
             });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
