// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/router_jitter.h"

#include <cstdint>

#include "switchyard/kernels/cpu/row_runs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/router_jitter.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/philox-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

void RouterJitterBlock(const RouterJitterArgs& args, int64_t begin,
                       int64_t end) {
  constexpr uint32_t kPurpose = 0x6a697474;
  const hn::ScalableTag<float> d;
  const auto least = hn::Set(d, static_cast<float>(1.0 - args.eps));
  const auto range = hn::Set(d, static_cast<float>(2.0 * args.eps));
  const int64_t width = args.x.dim(1);
  for (int64_t t = begin; t < end; ++t) {
    const float* x = ElementAt<float>(args.x, t, 0);
    float* y = ElementAt<float>(args.y, t, 0);
    ForEachUniform(d, args.key, kPurpose, args.first_token + t, width,
                   [&](int64_t c, auto lanes, auto u) HWY_ATTR {
                     const auto factor = hn::MulAdd(u, range, least);
                     StoreFloats(hn::Mul(LoadFloats(d, x + c, lanes), factor),
                                 d, y + c, lanes);
                   });
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(RouterJitterBlock);

constexpr int64_t kTokenBlock = 16;  // of one piece of work

}  // namespace

void RouterJitter(const RouterJitterArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(RouterJitterBlock);
  ParallelForBlocks(
      threads, args.x.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
