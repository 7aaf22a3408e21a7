// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/lm_head.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/lm_head.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// The greatest number; NaN is passed over.
HWY_INLINE float MaxOfRow(const float* row, int64_t count) {
  const D d;
  V max = hn::Set(d, kLowest);
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    const V x = Fill(d, Load(d, row + i, lanes), lanes, kLowest);
    max = hn::IfThenElse(hn::Gt(x, max), x, max);
  });
  return hn::GetLane(hn::MaxOfLanes(d, max));
}

// row = exp(row - offset); returns their sum: fp32 within blocks, then double,
// so that its error does not grow with the vocabulary.
HWY_INLINE double ExponentiateRow(float* row, int64_t count, float offset) {
  constexpr int64_t kBlock = 1024;
  const D d;
  const V offsets = hn::Set(d, offset);
  double sum = 0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    float* block = row + begin;
    sum += SumVectors(d, std::min(kBlock, count - begin),
                      [&](int64_t i, auto lanes, V partial) HWY_ATTR {
                        const V x =
                            Fill(d, Load(d, block + i, lanes), lanes, kLowest);
                        const V e = VectorExp(d, hn::Sub(x, offsets));
                        Store(e, d, block + i, lanes);
                        return hn::Add(partial, e);
                      });
  }
  return sum;
}

// The logarithm is Highway's, a function of the instruction set alone; the C
// library's is not.
HWY_INLINE double Log(double x) {
  const hn::ScalableTag<double> d;
  if (!(x > 0) || x > std::numeric_limits<double>::max()) return x - x;
  return hn::GetLane(hn::Log(d, hn::Set(d, x)));
}

// Cross-entropy of one token from its logits, which become exp(logit - max),
// or, with `differentiate`, scale · (softmax - one at the label).
double TokenLoss(float* logits, int64_t vocabulary, int64_t label,
                 bool differentiate, float scale) {
  const float own = logits[label];
  const float max = MaxOfRow(logits, vocabulary);
  const double sum = ExponentiateRow(logits, vocabulary, max);
  if (differentiate) {
    const D d;
    const V factor = hn::Set(d, static_cast<float>(scale / sum));
    ForEachVector(d, vocabulary, [&](int64_t i, auto lanes) HWY_ATTR {
      const V e = Load(d, logits + i, lanes);
      Store(hn::Mul(e, factor), d, logits + i, lanes);
    });
    logits[label] -= scale;
  }
  return Log(sum) + (static_cast<double>(max) - own);
}

void RoundRow(const float* row, int64_t count, BFloat16* rounded) {
  const D d;
  ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
    StoreFloats(Load(d, row + i, lanes), d, rounded + i, lanes);
  });
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/base/cpu/floating_point_mode.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/dispatch.h"
#include "switchyard/kernels/cpu/fixed_point.h"
#include "switchyard/kernels/cpu/matmul.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(TokenLoss);
HWY_EXPORT(RoundRow);

constexpr int64_t kTokensPerPiece = 16;

// Losses of a chunk's tokens; its logits become their gradients.
void ChunkLosses(const TensorView& logits, const int32_t* labels,
                 bool differentiate, float scale, double* losses,
                 const TensorView& rounded, int threads) {
  const auto token_loss = SWITCHYARD_DISPATCH(TokenLoss);
  const auto round_row = SWITCHYARD_DISPATCH(RoundRow);
  const int64_t vocabulary = logits.dim(1);
  const auto piece = [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      float* row = logits.data<float>() + token * vocabulary;
      const int32_t label = labels[token];
      if (label == kIgnoredLabel) {
        std::fill_n(row, vocabulary, 0.0f);
        losses[token] = 0;
      } else {
        SWITCHYARD_CHECK(label >= 0 && label < vocabulary)
            << "label " << label << " of " << vocabulary;
        losses[token] =
            token_loss(row, vocabulary, label, differentiate, scale);
      }
      if (differentiate && rounded.defined()) {
        round_row(row, vocabulary,
                  rounded.data<BFloat16>() + token * vocabulary);
      }
    }
  };
  ParallelForBlocks(threads, logits.dim(0), kTokensPerPiece, piece);
}

void Multiply(const ConstTensorView& a, Transpose transpose_a,
              const ConstTensorView& b, Transpose transpose_b,
              const TensorView& c, bool accumulate, int threads) {
  MatMul({a, transpose_a, b, transpose_b, c, accumulate}, threads);
}

}  // namespace

void LmHeadLoss(const LmHeadLossArgs& args, const LmHeadScratch& scratch,
                int threads) {
  const ScopedFloatingPointMode mode;  // losses are added here
  const int64_t tokens = args.x.dim(0);
  const bool has_gradient = args.gradient.sum.defined();
  const bool differentiate = has_gradient || args.dx.defined();
  double* losses = scratch.losses.data<double>();
  for (int64_t begin = 0; begin < tokens; begin += kLmHeadChunk) {
    const int64_t end = std::min(tokens, begin + kLmHeadChunk);
    const ConstTensorView x = args.x.Rows(begin, end);
    const TensorView logits = scratch.logits.Rows(0, end - begin);
    TensorView dlogits = logits, rounded;
    if (scratch.dlogits.defined()) {
      dlogits = rounded = scratch.dlogits.Rows(0, end - begin);
    }
    Multiply(x, Transpose::kNo, args.weight, Transpose::kYes, logits, false,
             threads);
    ChunkLosses(logits, args.labels.data<int32_t>() + begin, differentiate,
                args.loss_scale, losses + begin, rounded, threads);
    if (args.dx.defined()) {
      Multiply(dlogits, Transpose::kNo, args.weight, Transpose::kNo,
               args.dx.Rows(begin, end), false, threads);
    }
    if (has_gradient) {
      Multiply(dlogits, Transpose::kYes, x, Transpose::kNo, scratch.leaf,
               begin > 0, threads);
    }
  }
  double sum = 0;
  for (int64_t token = 0; token < tokens; ++token) sum += losses[token];
  *args.loss_sum.data<double>() = sum;
  if (has_gradient && tokens > 0) {
    AddToFixedPoint(scratch.leaf, args.format, args.gradient, threads);
  }
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
