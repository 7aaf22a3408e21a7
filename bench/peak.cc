// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/bench/peak.h"

#include <algorithm>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/bench/peak.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// More chains than any processor has multiply-adds under way. Returns the
// number of operations.
int64_t FusedLoop(int64_t rounds, float* result) {
  constexpr int kChains = 12;
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.999f), addend = hn::Set(d, 0.001f);
  hn::Vec<decltype(d)> chain[kChains];
  HWY_UNROLL(12) for (int i = 0; i < kChains; ++i) {
    chain[i] = hn::Set(d, 0.1f * static_cast<float>(i));
  }
  for (int64_t round = 0; round < rounds; ++round) {
    HWY_UNROLL(12) for (int i = 0; i < kChains; ++i) {
      chain[i] = hn::MulAdd(chain[i], factor, addend);
    }
  }
  auto sum = chain[0];
  HWY_UNROLL(12) for (int i = 1; i < kChains; ++i) {
    sum = hn::Add(sum, chain[i]);
  }
  *result = hn::GetLane(sum);
  return rounds * kChains * 2 * static_cast<int64_t>(hn::Lanes(d));
}

}  // namespace switchyard::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::bench {

HWY_EXPORT(FusedLoop);

double FloatPeak() {
  constexpr int64_t kRounds = 500000;
  double best = 0;
  volatile float kept = 0;
  for (int run = 0; run < 50; ++run) {
    float result = 0;
    const double start = Seconds();
    const int64_t operations =
        HWY_DYNAMIC_DISPATCH(FusedLoop)(kRounds, &result);
    best = std::max(best, operations / (Seconds() - start));
    kept = kept + result;
  }
  return best;
}

}  // namespace switchyard::bench
#endif  // HWY_ONCE
