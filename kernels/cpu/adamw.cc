// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/adamw.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/adamw.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// fp32 from as many sums as a vector of doubles has; `scale` holds the unit.
template <class Lanes>
HWY_INLINE auto Convert(const int64_t* sum, double scale, Lanes lanes) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<int64_t, decltype(d)> di;
  const auto value = hn::ConvertTo(d, Load(di, sum, lanes));
  return hn::DemoteTo(hn::Rebind<float, decltype(d)>(),
                      hn::Mul(value, hn::Set(d, scale)));
}

#if HWY_TARGET == HWY_SCALAR
template <class Lanes>
HWY_INLINE V LoadGradient(const int64_t* sum, double scale, Lanes lanes) {
  return Convert(sum, scale, lanes);
}
#else
constexpr size_t kHalf = hn::MaxLanes(D()) / 2;

HWY_INLINE V LoadGradient(const int64_t* sum, double scale, AllLanes lanes) {
  return hn::Combine(D(), Convert(sum + kHalf, scale, lanes),
                     Convert(sum, scale, lanes));
}
HWY_INLINE V LoadGradient(const int64_t* sum, double scale, FirstLanes lanes) {
  const FirstLanes lower = {std::min(lanes.count, kHalf)};
  const FirstLanes upper = {lanes.count - lower.count};
  return hn::Combine(D(), Convert(sum + lower.count, scale, upper),
                     Convert(sum, scale, lower));
}
#endif

template <typename T>
HWY_INLINE void UpdateRun(const AdamWArgs& args, int64_t begin, int64_t end) {
  const AdamWSettings& s = args.settings;
  const D d;
  const double scale = std::ldexp(double{s.gradient_scale}, -s.fraction_bits);
  const V beta1 = hn::Set(d, s.beta1);
  const V beta2 = hn::Set(d, s.beta2);
  const V rest1 = hn::Set(d, 1.0f - s.beta1);
  const V rest2 = hn::Set(d, 1.0f - s.beta2);
  const V correction = hn::Set(d, s.inverse_sqrt_correction2);
  const V eps = hn::Set(d, s.eps);
  const V step = hn::Set(d, s.step_size);
  const V decay = hn::Set(d, s.learning_rate * s.weight_decay);
  const int64_t* gradient = args.gradient.data<int64_t>() + begin;
  float* master = args.master.data<float>() + begin;
  float* first = args.m.data<float>() + begin;
  float* second = args.v.data<float>() + begin;
  T* weight = args.weight.data<T>() + begin;
  ForEachVector(d, end - begin, [&](int64_t i, auto lanes) HWY_ATTR {
    const V g = LoadGradient(gradient + i, scale, lanes);
    const V m = hn::MulAdd(beta1, Load(d, first + i, lanes), hn::Mul(rest1, g));
    const V v = hn::MulAdd(beta2, Load(d, second + i, lanes),
                           hn::Mul(rest2, hn::Mul(g, g)));
    const V w = Load(d, master + i, lanes);
    const V direction = hn::Div(m, hn::MulAdd(hn::Sqrt(v), correction, eps));
    const V decayed = hn::NegMulAdd(decay, w, w);
    const V updated = hn::NegMulAdd(step, direction, decayed);
    Store(m, d, first + i, lanes);
    Store(v, d, second + i, lanes);
    Store(updated, d, master + i, lanes);
    StoreFloats(updated, d, weight + i, lanes);
  });
}

void UpdateBlock(const AdamWArgs& args, int64_t begin, int64_t end) {
  if (args.weight.dtype() == DType::kFloat32) {
    UpdateRun<float>(args, begin, end);
  } else {
    UpdateRun<BFloat16>(args, begin, end);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {

HWY_EXPORT(UpdateBlock);

void AdamW(const AdamWArgs& args, int threads) {
  constexpr int64_t kBlock = 16384;  // elements of one piece
  const auto update = SWITCHYARD_DISPATCH(UpdateBlock);
  ParallelForBlocks(
      threads, args.gradient.element_count(), kBlock,
      [&](int64_t begin, int64_t end) { update(args, begin, end); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
