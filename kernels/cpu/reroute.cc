// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/reroute.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/chosen_experts.h"
#include "switchyard/kernels/cpu/row_runs.h"
#include "switchyard/kernels/cpu/thread_scratch.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kTokenBlock = 64;  // of one piece of work

struct LeftExperts {};

// `left` are the probabilities, kTaken for those that are no candidates.
constexpr float kNaN = -1.0f;
constexpr float kTaken = -2.0f;

void NextExpertsOfToken(const NextExpertsArgs& args, int64_t t, float* left) {
  const int64_t experts = args.probabilities.dim(1);
  const float* p = RowOf<float>(args.probabilities, t);
  for (int64_t e = 0; e < experts; ++e)
    left[e] = std::isnan(p[e]) ? kNaN : p[e];
  const int32_t* chosen = RowOf<int32_t>(args.experts, t);
  for (int64_t j = 0; j < args.experts.dim(1); ++j) {
    if (chosen[j] == kNoExpert) continue;
    left[CheckedExpert(chosen[j], experts)] = kTaken;
  }
  int32_t* next = RowOf<int32_t>(args.next_experts, t);
  for (int64_t i = 0; i < args.next_experts.dim(1); ++i) {
    next[i] =
        static_cast<int32_t>(std::max_element(left, left + experts) - left);
    left[next[i]] = kTaken;
  }
}

void GatesOfToken(const ReroutedGatesArgs& args, int64_t t) {
  const int64_t choices = args.experts.dim(1);
  const int32_t* chosen = RowOf<int32_t>(args.chosen, t);
  const int32_t* experts = RowOf<int32_t>(args.experts, t);
  float* gates = RowOf<float>(args.gates, t);
  if (std::equal(chosen, chosen + choices, experts)) {
    std::copy_n(RowOf<float>(args.chosen_gates, t), choices, gates);
    return;
  }
  const float* p = RowOf<float>(args.probabilities, t);
  float sum = 0.0f;
  for (int64_t j = 0; j < choices; ++j) {
    gates[j] = experts[j] == kNoExpert
                   ? 0.0f
                   : p[CheckedExpert(experts[j], args.probabilities.dim(1))];
    sum += gates[j];
  }
  const bool normalize = args.normalize && choices >= 2;
  for (int64_t j = 0; j < choices; ++j) {
    gates[j] =
        args.scaling * (normalize ? gates[j] / (sum + kLeastSum) : gates[j]);
  }
}

}  // namespace

void NextExperts(const NextExpertsArgs& args, int threads) {
  const auto scratch = [&] {
    return ThreadScratch<LeftExperts, float>(args.probabilities.dim(1));
  };
  ParallelForBlocks(
      threads, args.experts.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) {
        float* left = scratch();
        for (int64_t t = begin; t < end; ++t) NextExpertsOfToken(args, t, left);
      },
      [&] { scratch(); });
}

void ReroutedGates(const ReroutedGatesArgs& args, int threads) {
  ParallelForBlocks(threads, args.experts.dim(0), kTokenBlock,
                    [&](int64_t begin, int64_t end) {
                      for (int64_t t = begin; t < end; ++t) {
                        GatesOfToken(args, t);
                      }
                    });
}

}  // namespace switchyard::kernels::cpu
