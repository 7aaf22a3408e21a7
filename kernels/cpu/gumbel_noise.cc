// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/gumbel_noise.h"

#include <algorithm>
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
  HWY_ALIGN uint32_t words[kWordsAtOnce];
  for (int64_t t = begin; t < end; ++t) {
    const uint64_t token = static_cast<uint64_t>(args.first_token + t);
    const PhiloxRow row = {args.key,
                           {static_cast<uint32_t>(token),
                            static_cast<uint32_t>(token >> 32), kPurpose}};
    for (int64_t e = 0; e < width; e += kWordsAtOnce) {
      RandomWords(row, static_cast<uint64_t>(e) / 4, words);
      float* noise = ElementAt<float>(args.noise, t, e);
      ForEachVector(d, std::min(kWordsAtOnce, width - e),
                    [&](int64_t i, auto lanes) HWY_ATTR {
                      const auto log = VectorLog(d, UnitInterval(d, words + i));
                      StoreFloats(hn::Neg(VectorLog(d, hn::Neg(log))), d,
                                  noise + i, lanes);
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
