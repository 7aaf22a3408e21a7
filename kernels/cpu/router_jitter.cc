// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/router_jitter.h"

#include <algorithm>
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
  HWY_ALIGN uint32_t words[kWordsAtOnce];
  for (int64_t t = begin; t < end; ++t) {
    const uint64_t token = static_cast<uint64_t>(args.first_token + t);
    const PhiloxRow row = {args.key,
                           {static_cast<uint32_t>(token),
                            static_cast<uint32_t>(token >> 32), kPurpose}};
    for (int64_t c = 0; c < width; c += kWordsAtOnce) {
      RandomWords(row, static_cast<uint64_t>(c) / 4, words);
      const float* x = ElementAt<float>(args.x, t, c);
      float* y = ElementAt<float>(args.y, t, c);
      ForEachVector(d, std::min(kWordsAtOnce, width - c),
                    [&](int64_t i, auto lanes) HWY_ATTR {
                      const auto factor =
                          hn::MulAdd(UnitInterval(d, words + i), range, least);
                      StoreFloats(hn::Mul(LoadFloats(d, x + i, lanes), factor),
                                  d, y + i, lanes);
                    });
    }
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
