// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/gumbel_noise.h"

#include <cstdint>

#include "switchyard/kernels/cpu/row_runs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/gumbel_noise.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/philox-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

void GumbelNoiseBlock(const GumbelNoiseArgs& args, int64_t begin, int64_t end) {
  constexpr uint32_t kPurpose = 0x67756d62;
  const hn::ScalableTag<float> d;
  const int64_t width = args.noise.dim(1);
  for (int64_t t = begin; t < end; ++t) {
    float* noise = ElementAt<float>(args.noise, t, 0);
    ForEachUniform(d, args.key, kPurpose, args.first_token + t, width,
                   [&](int64_t e, auto lanes, auto u) HWY_ATTR {
                     const auto log = VectorLog(d, u);
                     StoreFloats(hn::Neg(VectorLog(d, hn::Neg(log))), d,
                                 noise + e, lanes);
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

HWY_EXPORT(GumbelNoiseBlock);

constexpr int64_t kTokenBlock = 64;  // of one piece of work

}  // namespace

void GumbelNoise(const GumbelNoiseArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(GumbelNoiseBlock);
  ParallelForBlocks(
      threads, args.noise.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
