// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/router.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/router.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

#ifndef SWITCHYARD_KERNELS_CPU_ROUTER_SCRATCH_
#define SWITCHYARD_KERNELS_CPU_ROUTER_SCRATCH_
namespace switchyard::kernels::cpu {

struct RouterRow {};

// Room for a row of experts in whole vectors, of whatever width.
inline float* RowScratch(int64_t experts) {
  constexpr int64_t kWidestVector = 64 / sizeof(float);
  return ThreadScratch<RouterRow, float>(experts + kWidestVector);
}

}  // namespace switchyard::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

struct SoftmaxSum {
  float max;
  float sum;  // of exp(logit - max)
};

HWY_INLINE SoftmaxSum Softmax(const float* logits, int64_t experts,
                              float* probabilities) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  const D d;
  V max = hn::Set(d, kLowest);
  ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
    max =
        hn::Max(max, Fill(d, LoadFloats(d, logits + i, lanes), lanes, kLowest));
  });
  max = hn::MaxOfLanes(d, max);
  const float sum =
      SumVectors(d, experts, [&](int64_t i, auto lanes, V total) HWY_ATTR {
        const V x = Fill(d, LoadFloats(d, logits + i, lanes), lanes, kLowest);
        const V e = VectorExp(d, hn::Sub(x, max));
        StoreFloats(e, d, probabilities + i, lanes);
        return hn::Add(total, e);
      });
  const V divisor = hn::Set(d, sum);
  ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
    const V e = LoadFloats(d, probabilities + i, lanes);
    StoreFloats(hn::Div(e, divisor), d, probabilities + i, lanes);
  });
  return {hn::GetLane(max), sum};
}

// The first place of the greatest of `count` values, none of them NaN. `count`
// is a multiple of the vector's lanes.
HWY_INLINE int32_t FirstGreatest(const float* values, int64_t count) {
  const D d;
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

// The k experts of the largest p, ties to the lower. Ranks of `left`: p, then
// NaN, then the chosen, then padding, so that k distinct ones are always found.
HWY_INLINE void TopK(const float* probabilities, int64_t experts, int64_t k,
                     float* left, int32_t* chosen) {
  constexpr float kNaN = -1.0f;
  constexpr float kChosen = -2.0f;
  constexpr float kPadding = -3.0f;
  const D d;
  ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
    const V p = LoadFloats(d, probabilities + i, lanes);
    const V rank = hn::IfThenElse(hn::IsNaN(p), hn::Set(d, kNaN), p);
    hn::Store(Fill(d, rank, lanes, kPadding), d, left + i);
  });
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t padded = (experts + lanes - 1) / lanes * lanes;
  for (int64_t j = 0; j < k; ++j) {
    chosen[j] = FirstGreatest(left, padded);
    left[chosen[j]] = kChosen;
  }
}

HWY_INLINE void Replay(const int32_t* replayed, int64_t experts, int64_t k,
                       int32_t* chosen) {
  for (int64_t j = 0; j < k; ++j) {
    SWITCHYARD_CHECK(0 <= replayed[j] && replayed[j] < experts)
        << "expert " << replayed[j] << " of " << experts;
    chosen[j] = replayed[j];
  }
}

HWY_INLINE void Gates(const float* probabilities, const int32_t* chosen,
                      int64_t k, bool renormalize, float* gates) {
  float sum = 0.0f;
  for (int64_t j = 0; j < k; ++j) sum += probabilities[chosen[j]];
  for (int64_t j = 0; j < k; ++j) {
    const float p = probabilities[chosen[j]];
    gates[j] = renormalize ? p / sum : p;
  }
}

static_assert(hn::MaxLanes(D()) <= 16);  // RowScratch

void RouterBlock(const RouterArgs& args, int64_t begin, int64_t end) {
  const D d;
  const int64_t experts = args.logits.dim(1);
  const int64_t k = args.experts.dim(1);
  const bool renormalize = args.renormalize && k >= 2;
  float* left = RowScratch(experts);
  float* logsumexp = args.logsumexp.data<float>();
  for (int64_t t = begin; t < end; ++t) {
    float* p =
        args.probabilities.data<float>() + t * args.probabilities.row_stride();
    int32_t* chosen =
        args.experts.data<int32_t>() + t * args.experts.row_stride();
    const SoftmaxSum softmax = Softmax(
        args.logits.data<float>() + t * args.logits.row_stride(), experts, p);
    const V log = VectorLog(d, hn::Set(d, softmax.sum));
    logsumexp[t] = softmax.max + hn::GetLane(log);
    if (args.replayed.defined()) {
      Replay(args.replayed.data<int32_t>() + t * args.replayed.row_stride(),
             experts, k, chosen);
    } else {
      TopK(p, experts, k, left, chosen);
    }
    Gates(p, chosen, k, renormalize,
          args.gates.data<float>() + t * args.gates.row_stride());
  }
}

// Adds d(gates)/dp · dgates to dp [experts].
HWY_INLINE void AddGateGradient(const float* probabilities, int64_t experts,
                                const int32_t* chosen, const float* gates,
                                const float* dgates, int64_t k,
                                bool renormalize, float* dp) {
  for (int64_t j = 0; j < k; ++j) {
    SWITCHYARD_CHECK(0 <= chosen[j] && chosen[j] < experts)
        << "expert " << chosen[j] << " of " << experts;
  }
  float sum = 1.0f;
  float mean = 0.0f;
  if (renormalize) {
    sum = 0.0f;
    for (int64_t j = 0; j < k; ++j) {
      sum += probabilities[chosen[j]];
      mean += dgates[j] * gates[j];
    }
  }
  for (int64_t j = 0; j < k; ++j) dp[chosen[j]] += (dgates[j] - mean) / sum;
}

void RouterBackwardBlock(const RouterBackwardArgs& args, int64_t begin,
                         int64_t end) {
  const D d;
  const int64_t experts = args.probabilities.dim(1);
  const int64_t k = args.experts.dim(1);
  float* dp = RowScratch(experts);
  for (int64_t t = begin; t < end; ++t) {
    const bool counts = args.valid.data<uint8_t>()[t] != 0;
    if (counts && args.balance_gradient.defined()) {
      std::copy_n(args.balance_gradient.data<float>(), experts, dp);
    } else {
      std::fill_n(dp, experts, 0.0f);
    }
    const float* p =
        args.probabilities.data<float>() + t * args.probabilities.row_stride();
    AddGateGradient(
        p, experts,
        args.experts.data<int32_t>() + t * args.experts.row_stride(),
        args.gates.data<float>() + t * args.gates.row_stride(),
        args.dgates.data<float>() + t * args.dgates.row_stride(), k,
        args.renormalize && k >= 2, dp);
    const float mean =
        SumVectors(d, experts, [&](int64_t i, auto lanes, V sum) HWY_ATTR {
          return hn::MulAdd(LoadFloats(d, p + i, lanes),
                            LoadFloats(d, dp + i, lanes), sum);
        });
    const float z =
        counts ? 2.0f * args.z_gradient * args.logsumexp.data<float>()[t]
               : 0.0f;
    const V shift = hn::Set(d, z - mean);
    float* dlogits = args.dlogits.data<float>() + t * args.dlogits.row_stride();
    ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
      const V inner = hn::Add(LoadFloats(d, dp + i, lanes), shift);
      StoreFloats(hn::Mul(LoadFloats(d, p + i, lanes), inner), d, dlogits + i,
                  lanes);
    });
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(RouterBlock);
HWY_EXPORT(RouterBackwardBlock);

constexpr int64_t kTokenBlock = 64;  // of one piece of work

}  // namespace

void Router(const RouterArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(RouterBlock);
  ParallelForBlocks(
      threads, args.logits.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); },
      [&] { RowScratch(args.logits.dim(1)); });
}

void RouterBackward(const RouterBackwardArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(RouterBackwardBlock);
  ParallelForBlocks(
      threads, args.probabilities.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); },
      [&] { RowScratch(args.probabilities.dim(1)); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
