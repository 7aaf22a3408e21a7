// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/router.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/chosen_experts.h"
#include "switchyard/kernels/cpu/row_runs.h"
#include "switchyard/kernels/cpu/thread_scratch.h"
#include "switchyard/kernels/no_expert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/router.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/router_selection-inl.h"
#include "switchyard/kernels/cpu/sigmoid-inl.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

#ifndef SWITCHYARD_KERNELS_CPU_ROUTER_SCRATCH_
#define SWITCHYARD_KERNELS_CPU_ROUTER_SCRATCH_
namespace switchyard::kernels::cpu {

struct RouterRows {};

// Room for two rows of experts in whole vectors, of whatever width.
struct RouterScratch {
  explicit RouterScratch(int64_t experts) {
    constexpr int64_t kWidestVector = 64 / sizeof(float);
    const int64_t row =
        (experts + kWidestVector - 1) / kWidestVector * kWidestVector;
    first = ThreadScratch<RouterRows, float>(2 * row);
    second = first + row;
  }
  float* first;
  float* second;
};

inline bool DividesBySum(const RouterRule& rule, int64_t k) {
  return rule.gates == GateNormalization::kSum && k >= 2;
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

// `probabilities` may be `logits`.
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

// `scores` may be `logits`.
HWY_INLINE void SigmoidScores(const float* logits, int64_t experts,
                              float* scores) {
  const D d;
  ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
    const V x = LoadFloats(d, logits + i, lanes);
    StoreFloats(Sigmoid(d, x).sigmoid, d, scores + i, lanes);
  });
}

HWY_INLINE float SumOfScores(const float* scores, int64_t experts) {
  const D d;
  return SumVectors(d, experts,
                    [&](int64_t i, auto lanes, V sum) HWY_ATTR {
                      return hn::Add(sum, LoadFloats(d, scores + i, lanes));
                    }) +
         kLeastSum;
}

HWY_INLINE void DivideByTheirSum(int64_t experts, float* scores) {
  const D d;
  const V divisor = hn::Set(d, SumOfScores(scores, experts));
  ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
    const V s = LoadFloats(d, scores + i, lanes);
    StoreFloats(hn::Div(s, divisor), d, scores + i, lanes);
  });
}

// Scores of logits + noise.
HWY_INLINE void NoisyScores(RouterScoring scoring, const float* logits,
                            const float* noise, int64_t experts,
                            float* scores) {
  const D d;
  ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
    const V x = LoadFloats(d, logits + i, lanes);
    StoreFloats(hn::Add(x, LoadFloats(d, noise + i, lanes)), d, scores + i,
                lanes);
  });
  if (scoring == RouterScoring::kSigmoid) {
    SigmoidScores(scores, experts, scores);
  } else {
    Softmax(scores, experts, scores);
  }
}

// Given experts instead.
HWY_INLINE void Replay(const int32_t* replayed, int64_t experts, int64_t k,
                       int32_t* chosen) {
  for (int64_t j = 0; j < k; ++j) {
    SWITCHYARD_CHECK(0 <= replayed[j] && replayed[j] < experts)
        << "expert " << replayed[j] << " of " << experts;
    chosen[j] = replayed[j];
  }
}

// One token of a forward pass.
struct TokenRows {
  const float* logits;
  const float* noise;  // null: none
  float* scores;       // in the end the probabilities
  int32_t* chosen;
  float* gates;
};

HWY_INLINE void Choose(const RouterArgs& args, const TokenRows& token,
                       const RouterScratch& scratch) {
  const D d;
  const int64_t experts = args.logits.dim(1);
  const float* scores = token.scores;
  if (token.noise != nullptr) {
    NoisyScores(args.rule.scoring, token.logits, token.noise, experts,
                scratch.first);
    scores = scratch.first;
  }
  const float* bias = args.selection_bias.defined()
                          ? args.selection_bias.data<float>()
                          : nullptr;
  RankScores(d, scores, bias, experts, scratch.first);
  if (args.rule.groups > 1) {
    KeepBestGroups(args.rule, experts, scratch.first, scratch.second);
  }
  TakeBest(d, experts, args.experts.dim(1), scratch.first, token.chosen);
}

HWY_INLINE void Gates(const RouterRule& rule, const TokenRows& token, int64_t k,
                      float* scratch) {
  if (rule.gates == GateNormalization::kSoftmax) {
    for (int64_t j = 0; j < k; ++j) scratch[j] = token.logits[token.chosen[j]];
    Softmax(scratch, k, token.gates);
    for (int64_t j = 0; j < k; ++j) token.gates[j] *= rule.scaling;
    return;
  }
  const bool divided = DividesBySum(rule, k);
  float sum = 0.0f;
  for (int64_t j = 0; j < k; ++j) sum += token.scores[token.chosen[j]];
  sum += kLeastSum;
  for (int64_t j = 0; j < k; ++j) {
    const float score = token.scores[token.chosen[j]];
    token.gates[j] = (divided ? score / sum : score) * rule.scaling;
  }
}

static_assert(hn::MaxLanes(D()) <= 16);  // RouterScratch

void RouterBlock(const RouterArgs& args, int64_t begin, int64_t end) {
  const D d;
  const int64_t experts = args.logits.dim(1);
  const int64_t k = args.experts.dim(1);
  const bool sigmoid = args.rule.scoring == RouterScoring::kSigmoid;
  const RouterScratch scratch(experts);
  float* logsumexp = args.logsumexp.data<float>();
  for (int64_t t = begin; t < end; ++t) {
    const TokenRows token = {
        RowOf<float>(args.logits, t),
        args.selection_noise.defined() ? RowOf<float>(args.selection_noise, t)
                                       : nullptr,
        RowOf<float>(args.probabilities, t), RowOf<int32_t>(args.experts, t),
        RowOf<float>(args.gates, t)};
    const SoftmaxSum softmax = Softmax(token.logits, experts, token.scores);
    const V log = VectorLog(d, hn::Set(d, softmax.sum));
    logsumexp[t] = softmax.max + hn::GetLane(log);
    if (sigmoid) SigmoidScores(token.logits, experts, token.scores);
    if (args.replayed.defined()) {
      Replay(RowOf<int32_t>(args.replayed, t), experts, k, token.chosen);
    } else {
      Choose(args, token, scratch);
    }
    Gates(args.rule, token, k, scratch.first);
    if (sigmoid) DivideByTheirSum(experts, token.scores);
  }
}

// One token of a backward pass.
struct GradientRows {
  const int32_t* chosen;
  const float* gates;
  const float* dgates;
  bool counts;
  float z;  // weight of softmax(logits)
};

HWY_INLINE GradientRows GradientRowsOf(const RouterBackwardArgs& args,
                                       int64_t t) {
  GradientRows token = {
      RowOf<int32_t>(args.experts, t), RowOf<float>(args.gates, t),
      RowOf<float>(args.dgates, t), args.valid.data<uint8_t>()[t] != 0, 0.0f};
  const int64_t experts = args.dlogits.dim(1);
  for (int64_t j = 0; j < args.experts.dim(1); ++j) {
    SWITCHYARD_CHECK(kNoExpert <= token.chosen[j] && token.chosen[j] < experts)
        << "expert " << token.chosen[j] << " of " << experts;
  }
  if (token.counts) {
    token.z = 2.0f * args.z_gradient * args.logsumexp.data<float>()[t];
  }
  return token;
}

// The row of the token's sequence.
HWY_INLINE const float* BalanceGradientOf(const RouterBackwardArgs& args,
                                          int64_t t) {
  const ConstTensorView& gradient = args.balance_gradient;
  const int64_t length = args.probabilities.dim(0) / gradient.dim(0);
  return gradient.data<float>() + t / length * gradient.dim(1);
}

// sum of dgates · gates
HWY_INLINE float GateMean(const GradientRows& token, int64_t k) {
  float mean = 0.0f;
  for (int64_t j = 0; j < k; ++j) {
    if (token.chosen[j] == kNoExpert) continue;
    mean += token.dgates[j] * token.gates[j];
  }
  return mean;
}

// Adds d(gates)/ds · dgates to ds [experts].
HWY_INLINE void AddGateGradient(const RouterRule& rule,
                                const GradientRows& token, int64_t k,
                                const float* scores, float* ds) {
  if (rule.gates == GateNormalization::kSoftmax) return;
  float sum = 1.0f;
  float mean = 0.0f;
  if (DividesBySum(rule, k)) {
    sum = 0.0f;
    for (int64_t j = 0; j < k; ++j) {
      if (token.chosen[j] != kNoExpert) sum += scores[token.chosen[j]];
    }
    sum += kLeastSum;
    mean = GateMean(token, k);
  }
  for (int64_t j = 0; j < k; ++j) {
    if (token.chosen[j] == kNoExpert) continue;
    ds[token.chosen[j]] += (rule.scaling * token.dgates[j] - mean) / sum;
  }
}

// Adds what a softmax over the chosen logits passes on to them.
HWY_INLINE void AddChosenSoftmaxGradient(const RouterRule& rule,
                                         const GradientRows& token, int64_t k,
                                         float* dlogits) {
  if (rule.gates != GateNormalization::kSoftmax) return;
  const float mean = GateMean(token, k) / rule.scaling;
  for (int64_t j = 0; j < k; ++j) {
    if (token.chosen[j] == kNoExpert) continue;
    dlogits[token.chosen[j]] += token.gates[j] * (token.dgates[j] - mean);
  }
}

HWY_INLINE float DotOf(const float* a, const float* b, int64_t count) {
  const D d;
  return SumVectors(d, count, [&](int64_t i, auto lanes, V sum) HWY_ATTR {
    return hn::MulAdd(LoadFloats(d, a + i, lanes), LoadFloats(d, b + i, lanes),
                      sum);
  });
}

void SoftmaxBackwardBlock(const RouterBackwardArgs& args, int64_t begin,
                          int64_t end) {
  const D d;
  const int64_t experts = args.probabilities.dim(1);
  const int64_t k = args.experts.dim(1);
  float* dp = RouterScratch(experts).first;
  for (int64_t t = begin; t < end; ++t) {
    const GradientRows token = GradientRowsOf(args, t);
    const float* p = RowOf<float>(args.probabilities, t);
    if (token.counts && args.balance_gradient.defined()) {
      std::copy_n(BalanceGradientOf(args, t), experts, dp);
    } else {
      std::fill_n(dp, experts, 0.0f);
    }
    AddGateGradient(args.rule, token, k, p, dp);
    const V shift = hn::Set(d, token.z - DotOf(p, dp, experts));
    float* dlogits = RowOf<float>(args.dlogits, t);
    ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
      const V inner = hn::Add(LoadFloats(d, dp + i, lanes), shift);
      StoreFloats(hn::Mul(LoadFloats(d, p + i, lanes), inner), d, dlogits + i,
                  lanes);
    });
    AddChosenSoftmaxGradient(args.rule, token, k, dlogits);
  }
}

// d(P)/ds · b of scores divided by their sum, or 0.
HWY_INLINE void BalanceGradientOfScores(const RouterBackwardArgs& args,
                                        int64_t t, bool counts,
                                        const float* scores, float* ds) {
  const D d;
  const int64_t experts = args.probabilities.dim(1);
  if (!counts || !args.balance_gradient.defined()) {
    std::fill_n(ds, experts, 0.0f);
    return;
  }
  const float* b = BalanceGradientOf(args, t);
  const V mean =
      hn::Set(d, DotOf(RowOf<float>(args.probabilities, t), b, experts));
  const V sum = hn::Set(d, SumOfScores(scores, experts));
  ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
    const V above = hn::Sub(LoadFloats(d, b + i, lanes), mean);
    StoreFloats(hn::Div(above, sum), d, ds + i, lanes);
  });
}

void SigmoidBackwardBlock(const RouterBackwardArgs& args, int64_t begin,
                          int64_t end) {
  const D d;
  const int64_t experts = args.probabilities.dim(1);
  const RouterScratch scratch(experts);
  float* scores = scratch.first;
  float* ds = scratch.second;
  for (int64_t t = begin; t < end; ++t) {
    const GradientRows token = GradientRowsOf(args, t);
    const float* logits = RowOf<float>(args.logits, t);
    SigmoidScores(logits, experts, scores);
    BalanceGradientOfScores(args, t, token.counts, scores, ds);
    AddGateGradient(args.rule, token, args.experts.dim(1), scores, ds);
    const V z = hn::Set(d, token.z);
    const V logsumexp = hn::Set(d, args.logsumexp.data<float>()[t]);
    float* dlogits = RowOf<float>(args.dlogits, t);
    ForEachVector(d, experts, [&](int64_t i, auto lanes) HWY_ATTR {
      const V x = LoadFloats(d, logits + i, lanes);
      // Not s · (1 - s), which is 0 long before the slope is.
      const SigmoidPair<V> s = Sigmoid(d, x);
      const V slope = hn::Mul(s.sigmoid, s.complement);
      const V p = VectorExp(d, hn::Sub(x, logsumexp));
      StoreFloats(
          hn::MulAdd(LoadFloats(d, ds + i, lanes), slope, hn::Mul(z, p)), d,
          dlogits + i, lanes);
    });
  }
}

void RouterBackwardBlock(const RouterBackwardArgs& args, int64_t begin,
                         int64_t end) {
  if (args.rule.scoring == RouterScoring::kSigmoid) {
    SigmoidBackwardBlock(args, begin, end);
  } else {
    SoftmaxBackwardBlock(args, begin, end);
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
      [&] { RouterScratch(args.logits.dim(1)); });
}

void RouterBackward(const RouterBackwardArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(RouterBackwardBlock);
  ParallelForBlocks(
      threads, args.probabilities.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); },
      [&] { RouterScratch(args.probabilities.dim(1)); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
