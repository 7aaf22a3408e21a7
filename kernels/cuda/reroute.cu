// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The next experts by a warp a token, bound by reading the probabilities once
// while there are few tries; gates by a thread a token.
#include <cstdint>

#include "switchyard/kernels/cuda/chosen_experts.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/reroute.h"
#include "switchyard/kernels/cuda/selection.cuh"
#include "switchyard/kernels/cuda/token_warps.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kBlock = 256;

struct Selection {
  int64_t expert_count, choices, tries;
  Rows<const float> probabilities;
  Rows<const int32_t> chosen;
  Rows<int32_t> next;
};

__global__ void __launch_bounds__(kTokenBlock)
    NextExpertsKernel(TokenWarps warps, Selection args) {
  const int64_t token = warps.Token();
  if (token >= warps.tokens) return;
  float* ranks = warps.Row<float>();
  for (int64_t e = Lane(); e < args.expert_count; e += kWarp) {
    ranks[e] = RankOf(args.probabilities[token][e]);
  }
  __syncwarp();
  for (int64_t j = Lane(); j < args.choices; j += kWarp) {
    const int32_t expert = args.chosen[token][j];
    if (expert == kNoExpert) continue;
    ranks[CheckedExpert(expert, args.expert_count)] = kOut;
  }
  __syncwarp();
  for (int64_t i = 0; i < args.tries; ++i) {
    const int expert = TakeGreatest(ranks, args.expert_count);
    if (Lane() == 0) args.next[token][i] = expert;
  }
}

struct Regating {
  int64_t tokens, expert_count, choices;
  Rows<const float> probabilities;
  Rows<const int32_t> chosen;
  Rows<const float> chosen_gates;
  Rows<const int32_t> experts;
  bool normalize;
  float scaling;
  Rows<float> gates;
};

__device__ bool Rerouted(const Regating& args, int64_t token) {
  for (int64_t j = 0; j < args.choices; ++j) {
    if (args.chosen[token][j] != args.experts[token][j]) return true;
  }
  return false;
}

__global__ void __launch_bounds__(kBlock) ReroutedGatesKernel(Regating args) {
  const int64_t token = int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (token >= args.tokens) return;
  float* gates = args.gates[token];
  if (!Rerouted(args, token)) {
    for (int64_t j = 0; j < args.choices; ++j) {
      gates[j] = args.chosen_gates[token][j];
    }
    return;
  }
  float sum = 0.0f;
  for (int64_t j = 0; j < args.choices; ++j) {
    const int32_t expert = args.experts[token][j];
    gates[j] = 0.0f;
    if (expert == kNoExpert) continue;
    gates[j] =
        args.probabilities[token][CheckedExpert(expert, args.expert_count)];
    sum += gates[j];
  }
  const bool normalize = args.normalize && args.choices >= 2;
  for (int64_t j = 0; j < args.choices; ++j) {
    gates[j] =
        args.scaling * (normalize ? gates[j] / (sum + kLeastSum) : gates[j]);
  }
}

}  // namespace

void NextExperts(Stream& stream, const NextExpertsArgs& args) {
  const int64_t experts = args.probabilities.dim(1);
  const Selection selection = {experts,
                               args.experts.dim(1),
                               args.next_experts.dim(1),
                               RowsOf<float>(args.probabilities),
                               RowsOf<int32_t>(args.experts),
                               MutableRowsOf<int32_t>(args.next_experts)};
  RunTokenWarps(CudaStreamOf(stream), args.probabilities.dim(0), experts,
                NextExpertsKernel, selection);
}

void ReroutedGates(Stream& stream, const ReroutedGatesArgs& args) {
  const int64_t tokens = args.probabilities.dim(0);
  if (tokens == 0) return;
  const Regating regating = {tokens,
                             args.probabilities.dim(1),
                             args.experts.dim(1),
                             RowsOf<float>(args.probabilities),
                             RowsOf<int32_t>(args.chosen),
                             RowsOf<float>(args.chosen_gates),
                             RowsOf<int32_t>(args.experts),
                             args.normalize,
                             args.scaling,
                             MutableRowsOf<float>(args.gates)};
  SWITCHYARD_RUN(ReroutedGatesKernel,
                 dim3(static_cast<unsigned>((tokens + kBlock - 1) / kBlock)),
                 dim3(kBlock), 0, CudaStreamOf(stream), regating);
}

}  // namespace switchyard::kernels::cuda
