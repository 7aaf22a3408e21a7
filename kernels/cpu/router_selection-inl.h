// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Who is chosen, from the scores of one token's experts. Everything here is
// comparisons and at most one addition, so no bit depends on the vector width.
//
// A row of ranks says who is still to be chosen. In descending order: scores,
// those that are NaN, and with the least rank the chosen, the experts of other
// groups and the lanes after the last expert. So k distinct experts are always
// found where there are as many.
//
// Per-target: include it after hwy/highway.h.
#if defined(SWITCHYARD_KERNELS_CPU_ROUTER_SELECTION_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_ROUTER_SELECTION_INL_H_
#undef SWITCHYARD_KERNELS_CPU_ROUTER_SELECTION_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_ROUTER_SELECTION_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"
#include "switchyard/kernels/router.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr float kOut = -std::numeric_limits<float>::infinity();
constexpr float kNaNRank = -3.0e38f;
constexpr float kLeastScore = -2.0e38f;

// Ranks of scores + bias (null: none). `ranks` has room for whole vectors, at a
// multiple of their size, and may be `scores`.
template <class D>
HWY_INLINE void RankScores(D d, const float* scores, const float* bias,
                           int64_t experts, float* ranks) {
  using V = hn::Vec<D>;
  const V nan = hn::Set(d, kNaNRank);
  const V least = hn::Set(d, kLeastScore);
  ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
    V score = LoadFloats(d, scores + i, lanes);
    if (bias != nullptr) score = hn::Add(score, LoadFloats(d, bias + i, lanes));
    const V rank = hn::IfThenElse(hn::IsNaN(score), nan, hn::Max(score, least));
    hn::Store(Fill(d, rank, lanes, kOut), d, ranks + i);
  });
}

// The first place of the greatest of `count` values, none of them NaN. `count`
// is a multiple of the vector's lanes.
template <class D>
HWY_INLINE int32_t FirstGreatest(D d, const float* values, int64_t count) {
  using V = hn::Vec<D>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V max = hn::Load(d, values);
  for (int64_t i = lanes; i < count; i += lanes) {
    max = hn::Max(max, hn::Load(d, values + i));
  }
  max = hn::MaxOfLanes(d, max);
  for (int64_t i = 0; i < count; i += lanes) {
    const intptr_t lane =
        hn::FindFirstTrue(d, hn::Eq(hn::Load(d, values + i), max));
    if (lane >= 0) return static_cast<int32_t>(i + lane);
  }
  return 0;  // not reached: the greatest is among them
}

// The k experts of the highest ranks, ties to the lower.
template <class D>
HWY_INLINE void TakeBest(D d, int64_t experts, int64_t k, float* ranks,
                         int32_t* chosen) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t padded = (experts + lanes - 1) / lanes * lanes;
  for (int64_t j = 0; j < k; ++j) {
    chosen[j] = FirstGreatest(d, ranks, padded);
    ranks[chosen[j]] = kOut;
  }
}

HWY_INLINE float ScoreOfGroup(GroupScore kind, const float* ranks,
                              int64_t size) {
  float best = kOut;
  float second = kOut;
  for (int64_t i = 0; i < size; ++i) {
    second = std::max(second, std::min(best, ranks[i]));
    best = std::max(best, ranks[i]);
  }
  if (kind == GroupScore::kMax) return best;
  // Two NaN together must not be taken for a group that is out.
  return std::max(best + second, std::numeric_limits<float>::lowest());
}

// Takes the experts of all but the best groups out. `scores` has room for the
// groups.
HWY_INLINE void KeepBestGroups(const RouterRule& rule, int64_t experts,
                               float* ranks, float* scores) {
  const int64_t size = experts / rule.groups;
  for (int64_t g = 0; g < rule.groups; ++g) {
    scores[g] = ScoreOfGroup(rule.group_score, ranks + g * size, size);
  }
  for (int64_t m = 0; m < rule.groups_per_token; ++m) {
    *std::max_element(scores, scores + rule.groups) = kOut;  // the first one
  }
  for (int64_t g = 0; g < rule.groups; ++g) {
    if (scores[g] != kOut) std::fill_n(ranks + g * size, size, kOut);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
