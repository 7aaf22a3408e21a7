// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A warp a token. Bound by memory while k is small: logits are read (again from
// cache) and probabilities written once; ranks stay in shared memory, where
// each choice reads them once.
#include <cfloat>
#include <cstdint>

#include "switchyard/kernels/cuda/chosen_experts.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/router.h"
#include "switchyard/kernels/cuda/router_scores.cuh"
#include "switchyard/kernels/cuda/selection.cuh"
#include "switchyard/kernels/cuda/token_warps.cuh"

namespace switchyard::kernels::cuda {
namespace {

struct Forward {
  RouterRule rule;
  int64_t experts, k;
  Rows<const float> logits, noise;
  const float* bias;
  Rows<const int32_t> replayed;
  Rows<float> scores;  // in the end the probabilities
  float* logsumexp;
  Rows<int32_t> chosen;
  Rows<float> gates;
};

// row = scores of logits + noise
__device__ void NoisyScores(const Forward& args, int64_t token, float* row) {
  const float* logits = args.logits[token];
  const float* noise = args.noise[token];
  if (args.rule.scoring == RouterScoring::kSoftmax) {
    Softmax(
        args.experts, [&](int64_t e) { return logits[e] + noise[e]; }, row);
    return;
  }
  for (int64_t e = Lane(); e < args.experts; e += kWarp) {
    row[e] = Sigmoid(logits[e] + noise[e]).sigmoid;
  }
}

__device__ float ScoreOfGroup(GroupScore kind, const float* ranks, int size) {
  float best = kOut;
  float second = kOut;
  for (int i = 0; i < size; ++i) {
    second = fmaxf(second, fminf(best, ranks[i]));
    best = fmaxf(best, ranks[i]);
  }
  if (kind == GroupScore::kMax) return best;
  // Two NaN together must not be taken for a group that is out.
  return fmaxf(best + second, -FLT_MAX);
}

// Takes the experts of all but the best groups out. `scores` has room for the
// groups.
__device__ void KeepBestGroups(const Forward& args, float* ranks,
                               float* scores) {
  const int groups = static_cast<int>(args.rule.groups);
  const int size = static_cast<int>(args.experts) / groups;
  __syncwarp();
  for (int g = Lane(); g < groups; g += kWarp) {
    scores[g] = ScoreOfGroup(args.rule.group_score, ranks + g * size, size);
  }
  for (int64_t m = 0; m < args.rule.groups_per_token; ++m) {
    TakeGreatest(scores, groups);
  }
  __syncwarp();
  for (int e = Lane(); e < args.experts; e += kWarp) {
    if (scores[e / size] != kOut) ranks[e] = kOut;
  }
}

// `row` has the scores, and behind the experts room for the groups. The lane
// that owns a choice writes it.
__device__ void Choose(const Forward& args, int64_t token, float* row) {
  if (args.noise.data != nullptr) NoisyScores(args, token, row);
  for (int64_t e = Lane(); e < args.experts; e += kWarp) {
    row[e] = RankOf(args.bias != nullptr ? row[e] + args.bias[e] : row[e]);
  }
  if (args.rule.groups > 1) KeepBestGroups(args, row, row + args.experts);
  for (int64_t j = 0; j < args.k; ++j) {
    const int expert = TakeGreatest(row, args.experts);
    if (Lane() == j % kWarp) args.chosen[token][j] = expert;
  }
}

__device__ void Replay(const Forward& args, int64_t token) {
  for (int64_t j = Lane(); j < args.k; j += kWarp) {
    args.chosen[token][j] =
        CheckedExpert(args.replayed[token][j], args.experts);
  }
}

__device__ void MakeGates(const Forward& args, int64_t token) {
  const float* logits = args.logits[token];
  const float* scores = args.scores[token];
  const int32_t* chosen = args.chosen[token];
  float* gates = args.gates[token];
  if (args.rule.gates == GateNormalization::kSoftmax) {
    Softmax(
        args.k, [&](int64_t j) { return logits[chosen[j]]; }, gates);
    for (int64_t j = Lane(); j < args.k; j += kWarp) {
      gates[j] *= args.rule.scaling;
    }
    return;
  }
  const bool divided = DividesBySum(args.rule, args.k);
  float sum = 1.0f;
  if (divided) {
    sum = OrderedSum(args.k, [&](int64_t j) { return scores[chosen[j]]; }) +
          kLeastSum;
  }
  for (int64_t j = Lane(); j < args.k; j += kWarp) {
    const float score = scores[chosen[j]];
    gates[j] = (divided ? score / sum : score) * args.rule.scaling;
  }
}

__device__ void DivideByTheirSum(int64_t experts, float* scores) {
  float sum = 0.0f;
  for (int64_t e = Lane(); e < experts; e += kWarp) sum += scores[e];
  sum = WarpSum(sum) + kLeastSum;
  for (int64_t e = Lane(); e < experts; e += kWarp) scores[e] /= sum;
}

__global__ void __launch_bounds__(kTokenBlock)
    RouterKernel(TokenWarps warps, Forward args) {
  const int64_t token = warps.Token();
  if (token >= warps.tokens) return;
  const bool sigmoid = args.rule.scoring == RouterScoring::kSigmoid;
  const float* logits = args.logits[token];
  float* scores = args.scores[token];
  float* row = warps.Row<float>();
  const SoftmaxSum softmax = Softmax(
      args.experts, [&](int64_t e) { return logits[e]; }, row);
  if (Lane() == 0) args.logsumexp[token] = softmax.max + logf(softmax.sum);
  for (int64_t e = Lane(); e < args.experts; e += kWarp) {
    if (sigmoid) row[e] = Sigmoid(logits[e]).sigmoid;
    scores[e] = row[e];
  }
  if (args.replayed.data != nullptr) {
    Replay(args, token);
  } else {
    Choose(args, token, row);
  }
  __syncwarp();  // gates are of other lanes' scores
  MakeGates(args, token);
  __syncwarp();
  if (sigmoid) DivideByTheirSum(args.experts, scores);
}

}  // namespace

void Router(Stream& stream, const RouterArgs& args) {
  const int64_t experts = args.logits.dim(1);
  const Forward forward = {args.rule,
                           experts,
                           args.experts.dim(1),
                           RowsOf<float>(args.logits),
                           RowsOf<float>(args.selection_noise),
                           static_cast<const float*>(args.selection_bias.raw()),
                           RowsOf<int32_t>(args.replayed),
                           MutableRowsOf<float>(args.probabilities),
                           args.logsumexp.data<float>(),
                           MutableRowsOf<int32_t>(args.experts),
                           MutableRowsOf<float>(args.gates)};
  const int64_t groups = args.rule.groups > 1 ? args.rule.groups : 0;
  RunTokenWarps(CudaStreamOf(stream), args.logits.dim(0), experts + groups,
                RouterKernel, forward);
}

}  // namespace switchyard::kernels::cuda
