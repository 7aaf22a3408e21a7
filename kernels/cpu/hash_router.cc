// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/hash_router.h"

#include <algorithm>
#include <cstdint>

#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/base/philox.h"
#include "switchyard/kernels/cpu/row_runs.h"
#include "switchyard/kernels/cpu/thread_scratch.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kTokenBlock = 64;  // of one piece of work

struct Taken {};

int64_t Draw(uint64_t key, int32_t id, int64_t j, int64_t from) {
  constexpr uint32_t kPurpose = 0x68617368;
  const PhiloxCounter words = Philox4x32(
      key,
      {static_cast<uint32_t>(id), static_cast<uint32_t>(j / 4), kPurpose, 0});
  return static_cast<int64_t>(
      uint64_t{words[j % 4]} * static_cast<uint64_t>(from) >> 32);
}

// `taken`: room for k experts.
void Choose(uint64_t key, int32_t id, int64_t experts, int64_t k,
            int32_t* taken, int32_t* chosen) {
  for (int64_t j = 0; j < k; ++j) {
    // Those taken are in order: each at or below the number shifts it by one.
    int32_t expert = static_cast<int32_t>(Draw(key, id, j, experts - j));
    int64_t place = 0;
    while (place < j && taken[place] <= expert) {
      ++expert;
      ++place;
    }
    std::copy_backward(taken + place, taken + j, taken + j + 1);
    taken[place] = expert;
    chosen[j] = expert;
  }
}

void Block(const HashRouterArgs& args, int64_t begin, int64_t end) {
  const int64_t experts = args.probabilities.dim(1);
  const int64_t k = args.experts.dim(1);
  const float gate = 1.0f / static_cast<float>(k);
  int32_t* taken = ThreadScratch<Taken, int32_t>(k);
  for (int64_t t = begin; t < end; ++t) {
    int32_t* chosen = ElementAt<int32_t>(args.experts, t, 0);
    Choose(args.key, args.ids.data<int32_t>()[t], experts, k, taken, chosen);
    float* probabilities = ElementAt<float>(args.probabilities, t, 0);
    std::fill_n(probabilities, experts, 0.0f);
    for (int64_t j = 0; j < k; ++j) probabilities[chosen[j]] = gate;
    std::fill_n(ElementAt<float>(args.gates, t, 0), k, gate);
    args.logsumexp.data<float>()[t] = 0.0f;
  }
}

}  // namespace

void HashRouter(const HashRouterArgs& args, int threads) {
  ParallelForBlocks(
      threads, args.ids.dim(0), kTokenBlock,
      [&](int64_t begin, int64_t end) { Block(args, begin, end); },
      [&] { ThreadScratch<Taken, int32_t>(args.experts.dim(1)); });
}

}  // namespace switchyard::kernels::cpu
