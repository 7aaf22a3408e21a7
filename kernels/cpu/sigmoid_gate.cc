// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/sigmoid_gate.h"

#include <cstdint>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/row_runs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/sigmoid_gate.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/sigmoid-inl.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

template <typename T>
float Dot(const T* a, const T* b, int64_t width) {
  const D d;
  return SumVectors(d, width, [&](int64_t i, auto lanes, V sum) HWY_ATTR {
    return hn::MulAdd(LoadFloats(d, a + i, lanes), LoadFloats(d, b + i, lanes),
                      sum);
  });
}

// y = factor · x, added to y if told to.
template <bool kAdd, typename T>
void Scale(const T* x, float factor, int64_t width, T* y) {
  const D d;
  const V scale = hn::Set(d, factor);
  ForEachVector(d, width, [&](int64_t i, auto lanes) HWY_ATTR {
    const V from = LoadFloats(d, x + i, lanes);
    const V to = kAdd ? hn::MulAdd(scale, from, LoadFloats(d, y + i, lanes))
                      : hn::Mul(scale, from);
    StoreFloats(to, d, y + i, lanes);
  });
}

struct Gate {
  float open;    // σ(logit)
  float closed;  // 1 - σ(logit)
};

Gate GateOf(float logit) {
  const D d;
  const SigmoidPair<V> pair = Sigmoid(d, hn::Set(d, logit));
  return {hn::GetLane(pair.sigmoid), hn::GetLane(pair.complement)};
}

template <typename T>
void OpenTokens(const SigmoidGateArgs& args, int64_t begin, int64_t end) {
  const T* weight = args.weight.data<T>();
  float* logits = args.logits.data<float>();
  for (int64_t t = begin; t < end; ++t) {
    logits[t] = Dot(RowOf<T>(args.x, t), weight, args.x.dim(1));
    Scale<true>(RowOf<T>(args.value, t), GateOf(logits[t]).open, args.y.dim(1),
                RowOf<T>(args.y, t));
  }
}

// Columns of one element are stored as vectors are: rounded alike.
template <typename T>
void StoreOne(float value, T* to) {
  const D d;
  StoreFloats(hn::Set(d, value), d, to, FirstLanes{1});
}

template <typename T>
void CloseTokens(const SigmoidGateBackwardArgs& args, int64_t begin,
                 int64_t end) {
  const T* weight = args.weight.data<T>();
  const float* logits = args.logits.data<float>();
  for (int64_t t = begin; t < end; ++t) {
    const Gate gate = GateOf(logits[t]);
    const T* dy = RowOf<T>(args.dy, t);
    const float dot = Dot(dy, RowOf<T>(args.value, t), args.dy.dim(1));
    const float dlogit = dot * (gate.open * gate.closed);
    Scale<false>(dy, gate.open, args.dy.dim(1), RowOf<T>(args.dvalue, t));
    StoreOne(dlogit, RowOf<T>(args.dlogits, t));
    Scale<true>(weight, dlogit, args.dx.dim(1), RowOf<T>(args.dx, t));
  }
}

void OpenBlock(const SigmoidGateArgs& args, int64_t begin, int64_t end) {
  if (args.y.dtype() == DType::kFloat32) {
    OpenTokens<float>(args, begin, end);
  } else {
    OpenTokens<BFloat16>(args, begin, end);
  }
}

void CloseBlock(const SigmoidGateBackwardArgs& args, int64_t begin,
                int64_t end) {
  if (args.dy.dtype() == DType::kFloat32) {
    CloseTokens<float>(args, begin, end);
  } else {
    CloseTokens<BFloat16>(args, begin, end);
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(OpenBlock);
HWY_EXPORT(CloseBlock);

constexpr int64_t kTokenBlock = 64;  // of one piece of work

}  // namespace

void SigmoidGate(const SigmoidGateArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(OpenBlock);
  ParallelForBlocks(
      threads, args.x.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

void SigmoidGateBackward(const SigmoidGateBackwardArgs& args, int threads) {
  const auto block = SWITCHYARD_DISPATCH(CloseBlock);
  ParallelForBlocks(
      threads, args.dy.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { block(args, begin, end); });
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
