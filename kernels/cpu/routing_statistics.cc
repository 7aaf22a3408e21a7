// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/routing_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "switchyard/base/cpu/floating_point_mode.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/kernels/cpu/routing_statistics.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "switchyard/kernels/cpu/exp-inl.h"
#include "switchyard/kernels/cpu/sum_vectors-inl.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

HWY_INLINE float Entropy(const float* p, int64_t experts) {
  const D d;
  const float sum =
      SumVectors(d, experts, [&](int64_t i, auto lanes, V total) HWY_ATTR {
        return hn::Add(total, LoadFloats(d, p + i, lanes));
      });
  const float logs =
      SumVectors(d, experts, [&](int64_t i, auto lanes, V total) HWY_ATTR {
        const V x = LoadFloats(d, p + i, lanes);
        // Of 0, here and in the lanes that are not there: 0 · ln 1.
        const V positive =
            hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Set(d, 1.0f), x);
        return hn::MulAdd(x, VectorLog(d, positive), total);
      });
  const V log_sum = VectorLog(d, hn::Set(d, sum));
  const float entropy = hn::GetLane(log_sum) - logs / sum;
  return entropy < 0.0f ? 0.0f : entropy;  // rounding; NaN stays
}

// The sum over valid tokens, in their order.
double EntropyBlock(const RoutingStatisticsArgs& args, int64_t begin,
                    int64_t end) {
  const uint8_t* valid = args.valid.data<uint8_t>();
  double sum = 0.0;
  for (int64_t t = begin; t < end; ++t) {
    if (valid[t] == 0) continue;
    sum += static_cast<double>(Entropy(
        args.probabilities.data<float>() + t * args.probabilities.row_stride(),
        args.probabilities.dim(1)));
  }
  return sum;
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "switchyard/kernels/cpu/dispatch.h"

namespace switchyard::kernels::cpu {
namespace {

HWY_EXPORT(EntropyBlock);

constexpr int64_t kTokenBlock = 256;  // part of the order of the sums

struct Block {
  double entropy;
  int64_t pairs, first, either;
};
struct BlockPurpose {};

// The two best choices of a token, -1 where there is none.
struct Best {
  int32_t first, second;
};

Best BestOf(const RoutingStatisticsArgs& args, int64_t t) {
  const int32_t* chosen =
      args.experts.data<int32_t>() + t * args.experts.row_stride();
  return {chosen[0], args.experts.dim(1) > 1 ? chosen[1] : -1};
}

bool Meet(const Best& a, const Best& b) {
  const auto has = [&b](int32_t expert) {
    return expert >= 0 && (expert == b.first || expert == b.second);
  };
  return has(a.first) || has(a.second);
}

// Pairs whose second token is in the block.
void CountPairs(const RoutingStatisticsArgs& args, int64_t begin, int64_t end,
                Block& block) {
  const uint8_t* valid = args.valid.data<uint8_t>();
  for (int64_t t = std::max<int64_t>(begin, 1); t < end; ++t) {
    if (t % args.sequence_length == 0 || valid[t] == 0 || valid[t - 1] == 0) {
      continue;
    }
    const Best before = BestOf(args, t - 1);
    const Best now = BestOf(args, t);
    if (before.first < 0 || now.first < 0) continue;
    block.pairs += 1;
    block.first += before.first == now.first ? 1 : 0;
    block.either += Meet(before, now) ? 1 : 0;
  }
}

}  // namespace

void RoutingStatistics(const RoutingStatisticsArgs& args, int threads) {
  const ScopedFloatingPointMode mode;  // blocks are added here
  const auto entropy = SWITCHYARD_DISPATCH(EntropyBlock);
  const int64_t tokens = args.probabilities.dim(0);
  const int64_t count = (tokens + kTokenBlock - 1) / kTokenBlock;
  Block* blocks = ThreadScratch<BlockPurpose, Block>(count);
  ParallelForBlocks(threads, tokens, kTokenBlock,
                    [&](int64_t begin, int64_t end) {
                      Block& block = blocks[begin / kTokenBlock];
                      block = {entropy(args, begin, end), 0, 0, 0};
                      CountPairs(args, begin, end, block);
                    });
  double sum = 0.0;
  int64_t* pairs = args.pairs.data<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    sum += blocks[i].entropy;
    pairs[0] += blocks[i].pairs;
    pairs[1] += blocks[i].first;
    pairs[2] += blocks[i].either;
  }
  *args.entropy.data<double>() = sum;
}

void ValueRange(const ValueRangeArgs& args) {
  const float* values = args.values.data<float>();
  float smallest = values[0], largest = values[0];
  for (int64_t i = 1; i < args.values.dim(0); ++i) {
    // A NaN stays: no comparison with it is true.
    if (std::isnan(values[i])) smallest = largest = values[i];
    if (values[i] < smallest) smallest = values[i];
    if (values[i] > largest) largest = values[i];
  }
  args.range.data<float>()[0] = smallest;
  args.range.data<float>()[1] = largest;
}

}  // namespace switchyard::kernels::cpu
#endif  // HWY_ONCE
