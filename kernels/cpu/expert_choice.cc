// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/expert_choice.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/row_runs.h"
#include "switchyard/kernels/cpu/thread_scratch.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kTokenBlock = 64;  // of one piece of work

struct Ranks {};

// Larger is better: probabilities are not negative, so their bits are in their
// order; then the lower token.
uint64_t RankOf(float probability, int64_t token) {
  uint32_t bits = 0;  // of NaN
  if (probability >= 0.0f) std::memcpy(&bits, &probability, sizeof(bits));
  bits += probability >= 0.0f ? 1 : 0;
  return uint64_t{bits} << 32 | (0xFFFFFFFF - static_cast<uint32_t>(token));
}

int64_t TokenOf(uint64_t rank) {
  return static_cast<int64_t>(0xFFFFFFFF - static_cast<uint32_t>(rank));
}

// Marks the tokens that expert `e` takes.
void Take(const ExpertChoiceArgs& args, int64_t e) {
  const int64_t tokens = args.probabilities.dim(0);
  uint64_t* ranks = ThreadScratch<Ranks, uint64_t>(tokens);
  int64_t count = 0;
  for (int64_t t = 0; t < tokens; ++t) {
    *ElementAt<int32_t>(args.experts, t, e) = kNoExpert;
    if (args.valid.data<uint8_t>()[t] == 0) continue;
    ranks[count++] = RankOf(*ElementAt<float>(args.probabilities, t, e), t);
  }
  const int64_t taken = std::min(args.rows, count);
  // A total order: which are the first does not depend on the algorithm.
  std::nth_element(ranks, ranks + taken, ranks + count,
                   std::greater<uint64_t>());
  for (int64_t i = 0; i < taken; ++i) {
    *ElementAt<int32_t>(args.experts, TokenOf(ranks[i]), e) =
        static_cast<int32_t>(e);
  }
}

// Moves the experts that took a token to the front of its row, best first.
void Sort(const ExpertChoiceArgs& args, int64_t t) {
  const int64_t experts = args.probabilities.dim(1);
  const float* probabilities = ElementAt<float>(args.probabilities, t, 0);
  int32_t* row = ElementAt<int32_t>(args.experts, t, 0);
  float* gates = ElementAt<float>(args.gates, t, 0);
  int64_t count = 0;
  for (int64_t e = 0; e < experts; ++e) {
    if (row[e] == kNoExpert) continue;
    row[e] = kNoExpert;
    int64_t place = count++;
    // Not past equal ones, which are lower experts.
    while (place > 0 && probabilities[row[place - 1]] < probabilities[e]) {
      row[place] = row[place - 1];
      --place;
    }
    row[place] = static_cast<int32_t>(e);
  }
  for (int64_t j = 0; j < experts; ++j) {
    gates[j] = j < count ? args.scaling * probabilities[row[j]] : 0.0f;
  }
}

}  // namespace

void ExpertChoice(const ExpertChoiceArgs& args, int threads) {
  const int64_t tokens = args.probabilities.dim(0);
  ParallelForBlocks(
      threads, args.probabilities.dim(1), /*block=*/1,
      [&](int64_t begin, int64_t end) {
        for (int64_t e = begin; e < end; ++e) Take(args, e);
      },
      [&] { ThreadScratch<Ranks, uint64_t>(tokens); });
  ParallelForBlocks(threads, tokens, kTokenBlock,
                    [&](int64_t begin, int64_t end) {
                      for (int64_t t = begin; t < end; ++t) Sort(args, t);
                    });
}

}  // namespace switchyard::kernels::cpu
