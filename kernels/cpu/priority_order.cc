// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/priority_order.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "switchyard/base/check.h"
#include "switchyard/kernels/cpu/thread_scratch.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cpu {
namespace {

struct FirstProbabilities {};

constexpr float kLast = -1.0f;

float FirstProbability(const PriorityOrderArgs& args, int64_t t) {
  const int32_t expert =
      args.experts.data<int32_t>()[t * args.experts.row_stride()];
  if (expert == kNoExpert) return kLast;
  SWITCHYARD_CHECK(0 <= expert && expert < args.probabilities.dim(1))
      << "expert " << expert << " of " << args.probabilities.dim(1);
  const float p =
      args.probabilities
          .data<float>()[t * args.probabilities.row_stride() + expert];
  return std::isnan(p) ? kLast : p;
}

}  // namespace

void PriorityOrder(const PriorityOrderArgs& args) {
  const int64_t tokens = args.experts.dim(0);
  const int64_t scope = args.scope_tokens == 0 ? tokens : args.scope_tokens;
  float* first = ThreadScratch<FirstProbabilities, float>(tokens);
  for (int64_t t = 0; t < tokens; ++t) first[t] = FirstProbability(args, t);
  int32_t* order = args.order.data<int32_t>();
  std::iota(order, order + tokens, 0);
  for (int64_t begin = 0; begin < tokens; begin += scope) {
    // A total order, so that every sort gives the same.
    std::sort(order + begin, order + begin + scope, [&](int32_t a, int32_t b) {
      return first[a] > first[b] || (first[a] == first[b] && a < b);
    });
  }
}

}  // namespace switchyard::kernels::cpu
