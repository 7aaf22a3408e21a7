// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Plain loops: the sums are element by element in double, so the compiler may
// use vectors without changing a bit, and the result is the same on every
// instruction set.
#include "switchyard/kernels/cpu/balance_loss.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/floating_point_mode.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/thread_scratch.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kTokenBlock = 256;  // part of the order of the sums

struct BlockSums {};

// What a block of tokens, or all of them, add up to. It lies in a row of
// doubles; counts are exact in them.
class Sums {
 public:
  Sums(double* row, int64_t experts) : row_(row), experts_(experts) {}
  static int64_t RowLength(int64_t experts) { return 2 * experts + 2; }

  void Clear() { std::fill_n(row_, RowLength(experts_), 0.0); }
  void Add(const Sums& other) {
    for (int64_t i = 0; i < RowLength(experts_); ++i) row_[i] += other.row_[i];
  }

  double& tokens() { return row_[0]; }
  double& squares() { return row_[1]; }               // of logsumexp
  double* probabilities() { return row_ + 2; }        // [experts]
  double* assigned() { return row_ + 2 + experts_; }  // [experts]

 private:
  double* row_;
  int64_t experts_;
};

void AddTokens(const BalanceLossArgs& args, int64_t begin, int64_t end,
               Sums sums) {
  const int64_t experts = args.probabilities.dim(1);
  const int64_t choices = args.experts.dim(1);
  for (int64_t t = begin; t < end; ++t) {
    if (args.valid.data<uint8_t>()[t] == 0) continue;
    sums.tokens() += 1.0;
    const double logsumexp = args.logsumexp.data<float>()[t];
    sums.squares() += logsumexp * logsumexp;
    const float* p =
        args.probabilities.data<float>() + t * args.probabilities.row_stride();
    double* total = sums.probabilities();
    for (int64_t e = 0; e < experts; ++e) total[e] += p[e];
    const int32_t* chosen =
        args.experts.data<int32_t>() + t * args.experts.row_stride();
    for (int64_t j = 0; j < choices; ++j) {
      if (chosen[j] == kNoExpert) continue;
      SWITCHYARD_CHECK(0 <= chosen[j] && chosen[j] < experts)
          << "expert " << chosen[j] << " of " << experts;
      sums.assigned()[chosen[j]] += 1.0;
    }
  }
}

void WriteResults(const BalanceLossArgs& args, Sums sums) {
  const int64_t experts = args.probabilities.dim(1);
  const double tokens = sums.tokens();
  const double assignments =
      std::accumulate(sums.assigned(), sums.assigned() + experts, 0.0);
  const double count = static_cast<double>(experts);
  double* losses = args.losses.data<double>();
  float* gradient = args.balance_gradient.data<float>();
  losses[0] = 0.0;
  losses[1] = 0.0;
  std::fill_n(gradient, experts, 0.0f);
  if (tokens == 0.0) return;
  double balance = 0.0;
  for (int64_t e = 0; e < experts; ++e) {
    const double fraction =
        assignments > 0.0 ? sums.assigned()[e] / assignments : 0.0;
    balance += fraction * (sums.probabilities()[e] / tokens);
    gradient[e] =
        static_cast<float>(args.balance_weight * count * fraction / tokens);
  }
  losses[0] = count * balance;
  losses[1] = sums.squares() / tokens;
}

}  // namespace

void BalanceLoss(const BalanceLossArgs& args, int threads) {
  const ScopedFloatingPointMode mode;  // blocks are added here
  const int64_t tokens = args.probabilities.dim(0);
  const int64_t experts = args.probabilities.dim(1);
  const int64_t length = Sums::RowLength(experts);
  const int64_t blocks = (tokens + kTokenBlock - 1) / kTokenBlock;
  double* rows = ThreadScratch<BlockSums, double>((blocks + 1) * length);
  ParallelForBlocks(threads, tokens, kTokenBlock,
                    [&](int64_t begin, int64_t end) {
                      Sums sums(rows + begin / kTokenBlock * length, experts);
                      sums.Clear();
                      AddTokens(args, begin, end, sums);
                    });
  Sums total(rows + blocks * length, experts);
  total.Clear();
  for (int64_t block = 0; block < blocks; ++block) {
    total.Add(Sums(rows + block * length, experts));
  }
  WriteResults(args, total);
}

}  // namespace switchyard::kernels::cpu
