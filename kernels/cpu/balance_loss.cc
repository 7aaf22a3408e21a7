// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Plain loops: the sums are element by element in double, so the compiler may
// use vectors without changing a bit, and the result is the same on every
// instruction set.
#include "switchyard/kernels/cpu/balance_loss.h"

#include <algorithm>
#include <cstdint>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/floating_point_mode.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/thread_scratch.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kTokenBlock = 256;  // part of the order of the sums

struct BlockSums {};
struct BlockCounts {};

// How a micro-batch's tokens are cut: into sequences, and these into blocks.
struct Cut {
  Cut(int64_t tokens, int64_t sequences_in)
      : sequences(sequences_in),
        length(tokens / sequences),
        blocks((length + kTokenBlock - 1) / kTokenBlock) {}

  // Calls piece(block, begin, end) for all blocks of all sequences.
  template <typename Piece>
  void ForBlocks(int threads, const Piece& piece) const {
    ParallelFor(threads, sequences * blocks, [&](int64_t block) {
      const int64_t start = block / blocks * length;
      const int64_t begin = start + block % blocks * kTokenBlock;
      piece(block, begin, std::min(begin + kTokenBlock, start + length));
    });
  }

  int64_t sequences;
  int64_t length;
  int64_t blocks;  // of a sequence
};

// What a block of tokens, or all of a sequence, add up to. It lies in a row of
// doubles.
class Sums {
 public:
  Sums(double* row, int64_t experts) : row_(row), experts_(experts) {}
  static int64_t RowLength(int64_t experts) { return experts + 2; }

  void Clear() { std::fill_n(row_, RowLength(experts_), 0.0); }
  void Add(const Sums& other) {
    for (int64_t i = 0; i < RowLength(experts_); ++i) row_[i] += other.row_[i];
  }

  double& tokens() { return row_[0]; }
  double& squares() { return row_[1]; }         // of logsumexp
  double* probabilities() { return row_ + 2; }  // [experts]

 private:
  double* row_;
  int64_t experts_;
};

void AddTokens(const BalanceLossArgs& args, int64_t begin, int64_t end,
               Sums sums) {
  const int64_t experts = args.probabilities.dim(1);
  for (int64_t t = begin; t < end; ++t) {
    if (args.valid.data<uint8_t>()[t] == 0) continue;
    sums.tokens() += 1.0;
    const double logsumexp = args.logsumexp.data<float>()[t];
    sums.squares() += logsumexp * logsumexp;
    const float* p =
        args.probabilities.data<float>() + t * args.probabilities.row_stride();
    double* total = sums.probabilities();
    for (int64_t e = 0; e < experts; ++e) total[e] += p[e];
  }
}

// The losses of one sequence and their gradient by any p of its tokens.
class SequenceLoss {
 public:
  SequenceLoss(const BalanceLossArgs& args, int64_t sequence, double all_tokens)
      : args_(args),
        experts_(args.probabilities.dim(1)),
        devices_(args.counts.dim(1) - experts_),
        counts_(args.counts.data<int64_t>() + sequence * args.counts.dim(1)),
        gradient_(args.balance_gradient.data<float>() + sequence * experts_),
        all_tokens_(all_tokens) {
    for (int64_t e = 0; e < experts_; ++e) {
      assignments_ += static_cast<double>(counts_[e]);
    }
  }

  // Adds the sequence's share to the losses.
  void Add(Sums sums) {
    std::fill_n(gradient_, experts_, 0.0f);
    // Without a token of its own a window's counts have no p to weigh.
    if (assignments_ == 0.0 || sums.tokens() == 0.0) return;
    const double share = sums.tokens() / all_tokens_;
    args_.losses.data<double>()[0] += share * Balance(sums);
    if (devices_ > 0) AddDevices(share, sums);
  }

 private:
  double Fraction(int64_t e) const {
    return static_cast<double>(counts_[e]) / assignments_;
  }

  double Balance(Sums sums) const {
    const double count = static_cast<double>(experts_);
    const double weight = args_.balance_weight * args_.scale;
    double balance = 0.0;
    for (int64_t e = 0; e < experts_; ++e) {
      const double fraction = Fraction(e);
      balance += fraction * (sums.probabilities()[e] / sums.tokens());
      gradient_[e] =
          static_cast<float>(weight * count * fraction / all_tokens_);
    }
    return args_.scale * (count * balance);
  }

  void AddDevices(double share, Sums sums) const {
    const int64_t size = experts_ / devices_;
    const double count = static_cast<double>(devices_);
    const double tokens = assignments_ / args_.counted_choices;
    double device = 0.0, communication = 0.0;
    for (int64_t d = 0; d < devices_; ++d) {
      double fraction = 0.0, probability = 0.0;
      for (int64_t e = d * size; e < (d + 1) * size; ++e) {
        fraction += Fraction(e);
        probability += sums.probabilities()[e] / sums.tokens();
      }
      const double sent = static_cast<double>(counts_[experts_ + d]) / tokens;
      const double load = count * fraction;
      const double traffic = count / args_.devices_per_token * sent;
      device += load * probability;
      communication += traffic * probability;
      const double slope =
          (args_.device_weight * load + args_.communication_weight * traffic) /
          all_tokens_;
      for (int64_t e = d * size; e < (d + 1) * size; ++e) {
        gradient_[e] = static_cast<float>(gradient_[e] + slope);
      }
    }
    if (!args_.device_losses.defined()) return;
    args_.device_losses.data<double>()[0] += share * device;
    args_.device_losses.data<double>()[1] += share * communication;
  }

  const BalanceLossArgs& args_;
  int64_t experts_;
  int64_t devices_;
  const int64_t* counts_;
  float* gradient_;
  double all_tokens_;
  double assignments_ = 0.0;
};

// `rows`: the sums of each sequence.
void WriteResults(const BalanceLossArgs& args, int64_t sequences,
                  double* rows) {
  const int64_t experts = args.probabilities.dim(1);
  const auto of = [&](int64_t sequence) {
    return Sums(rows + sequence * Sums::RowLength(experts), experts);
  };
  double tokens = 0.0, squares = 0.0;
  for (int64_t s = 0; s < sequences; ++s) {
    tokens += of(s).tokens();
    squares += of(s).squares();
  }
  double* losses = args.losses.data<double>();
  losses[0] = 0.0;
  losses[1] = tokens > 0.0 ? squares / tokens : 0.0;
  if (args.device_losses.defined()) {
    std::fill_n(args.device_losses.data<double>(), 2, 0.0);
  }
  for (int64_t s = 0; s < sequences; ++s) {
    SequenceLoss(args, s, tokens).Add(of(s));
  }
}

// Of the tokens [begin, end), added to `counts`, a row.
void CountTokens(const ExpertCountsArgs& args, int64_t begin, int64_t end,
                 int64_t* counts) {
  const int64_t k = args.experts.dim(1);
  const int64_t experts = args.counts.dim(1) - args.devices;
  const int64_t counted = args.choices > 0 ? args.choices : k;
  const int64_t size = args.devices > 0 ? experts / args.devices : 0;
  for (int64_t t = begin; t < end; ++t) {
    if (args.valid.data<uint8_t>()[t] == 0) continue;
    const int32_t* chosen =
        args.experts.data<int32_t>() + t * args.experts.row_stride();
    for (int64_t j = 0; j < k; ++j) {
      if (chosen[j] == kNoExpert) continue;
      SWITCHYARD_CHECK(0 <= chosen[j] && chosen[j] < experts)
          << "expert " << chosen[j] << " of " << experts;
      if (j < counted) ++counts[chosen[j]];
      if (size == 0) continue;
      const int64_t device = chosen[j] / size;
      const bool first = std::none_of(chosen, chosen + j, [&](int32_t e) {
        return e != kNoExpert && e / size == device;
      });
      if (first) ++counts[experts + device];
    }
  }
}

}  // namespace

void ExpertCounts(const ExpertCountsArgs& args, int threads) {
  const Cut cut(args.experts.dim(0), args.counts.dim(0));
  const int64_t length = args.counts.dim(1);
  int64_t* counts = args.counts.data<int64_t>();
  // Threads, if there are several, count in rows of their own.
  int64_t* rows =
      ThreadScratch<BlockCounts, int64_t>(cut.sequences * cut.blocks * length);
  cut.ForBlocks(threads, [&](int64_t block, int64_t begin, int64_t end) {
    int64_t* row = rows + block * length;
    std::fill_n(row, length, 0);
    CountTokens(args, begin, end, row);
  });
  for (int64_t block = 0; block < cut.sequences * cut.blocks; ++block) {
    int64_t* total = counts + block / cut.blocks * length;
    for (int64_t i = 0; i < length; ++i) total[i] += rows[block * length + i];
  }
}

void BalanceLoss(const BalanceLossArgs& args, int threads) {
  const ScopedFloatingPointMode mode;  // blocks are added here
  const int64_t experts = args.probabilities.dim(1);
  const Cut cut(args.probabilities.dim(0), args.counts.dim(0));
  const int64_t length = Sums::RowLength(experts);
  const int64_t blocks = cut.sequences * cut.blocks;
  double* rows =
      ThreadScratch<BlockSums, double>((blocks + cut.sequences) * length);
  cut.ForBlocks(threads, [&](int64_t block, int64_t begin, int64_t end) {
    Sums sums(rows + block * length, experts);
    sums.Clear();
    AddTokens(args, begin, end, sums);
  });
  double* totals = rows + blocks * length;
  for (int64_t s = 0; s < cut.sequences; ++s) {
    Sums total(totals + s * length, experts);
    total.Clear();
    for (int64_t block = s * cut.blocks; block < (s + 1) * cut.blocks;
         ++block) {
      total.Add(Sums(rows + block * length, experts));
    }
  }
  WriteResults(args, cut.sequences, totals);
}

}  // namespace switchyard::kernels::cpu
