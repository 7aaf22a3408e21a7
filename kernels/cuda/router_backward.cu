// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A warp a token. Bound by memory: probabilities (under sigmoid scores also the
// logits) are read and dlogits written; gradients by scores stay in shared
// memory.
#include <cstdint>

#include "switchyard/kernels/cuda/chosen_experts.cuh"
#include "switchyard/kernels/cuda/elements.cuh"
#include "switchyard/kernels/cuda/router.h"
#include "switchyard/kernels/cuda/router_scores.cuh"
#include "switchyard/kernels/cuda/token_warps.cuh"

namespace switchyard::kernels::cuda {
namespace {

struct Backward {
  RouterRule rule;
  int64_t experts, k;
  Rows<const float> logits, probabilities;
  const float* logsumexp;
  Rows<const int32_t> chosen;
  Rows<const float> gates, dgates;
  const uint8_t* valid;
  const float* balance;  // null: none
  int64_t sequence_length;
  float z_gradient;
  Rows<float> dlogits;
};

// The token's row of the balance gradient, null if it has none.
__device__ const float* BalanceOf(const Backward& args, int64_t token) {
  if (args.balance == nullptr || args.valid[token] == 0) return nullptr;
  return args.balance + token / args.sequence_length * args.experts;
}

// The weight of softmax(logits).
__device__ float ZOf(const Backward& args, int64_t token) {
  if (args.valid[token] == 0) return 0.0f;
  return 2.0f * args.z_gradient * args.logsumexp[token];
}

// sum of dgates · gates
__device__ float GateMean(const Backward& args, int64_t token) {
  const int32_t* chosen = args.chosen[token];
  const float* gates = args.gates[token];
  const float* dgates = args.dgates[token];
  return OrderedSum(args.k, [&](int64_t j) {
    return chosen[j] == kNoExpert ? 0.0f : dgates[j] * gates[j];
  });
}

// Adds d(gates)/ds · dgates to ds [experts], which other lanes wrote and read;
// score(e) is expert e's.
template <typename Score>
__device__ void AddGateGradient(const Backward& args, int64_t token,
                                const Score& score, float* ds) {
  const int32_t* chosen = args.chosen[token];
  const float* dgates = args.dgates[token];
  for (int64_t j = Lane(); j < args.k; j += kWarp) {
    if (chosen[j] != kNoExpert) CheckedExpert(chosen[j], args.experts);
  }
  if (args.rule.gates == GateNormalization::kSoftmax) return;
  float sum = 1.0f;
  float mean = 0.0f;
  if (DividesBySum(args.rule, args.k)) {
    sum = OrderedSum(args.k, [&](int64_t j) {
      return chosen[j] == kNoExpert ? 0.0f : score(chosen[j]);
    });
    sum += kLeastSum;
    mean = GateMean(args, token);
  }
  __syncwarp();
  for (int64_t j = Lane(); j < args.k; j += kWarp) {
    if (chosen[j] == kNoExpert) continue;
    ds[chosen[j]] += (args.rule.scaling * dgates[j] - mean) / sum;
  }
  __syncwarp();
}

// Adds what a softmax over the chosen logits passes on to them.
__device__ void AddChosenSoftmaxGradient(const Backward& args, int64_t token,
                                         float* dlogits) {
  if (args.rule.gates != GateNormalization::kSoftmax) return;
  const int32_t* chosen = args.chosen[token];
  const float mean = GateMean(args, token) / args.rule.scaling;
  __syncwarp();
  for (int64_t j = Lane(); j < args.k; j += kWarp) {
    if (chosen[j] == kNoExpert) continue;
    dlogits[chosen[j]] += args.gates[token][j] * (args.dgates[token][j] - mean);
  }
}

__device__ float Dot(const float* a, const float* b, int64_t count) {
  float sum = 0.0f;
  for (int64_t i = Lane(); i < count; i += kWarp) sum = fmaf(a[i], b[i], sum);
  return WarpSum(sum);
}

__global__ void __launch_bounds__(kTokenBlock)
    SoftmaxBackwardKernel(TokenWarps warps, Backward args) {
  const int64_t token = warps.Token();
  if (token >= warps.tokens) return;
  const float* p = args.probabilities[token];
  const float* balance = BalanceOf(args, token);
  float* dp = warps.Row<float>();
  for (int64_t e = Lane(); e < args.experts; e += kWarp) {
    dp[e] = balance == nullptr ? 0.0f : balance[e];
  }
  AddGateGradient(
      args, token, [&](int32_t e) { return p[e]; }, dp);
  const float shift = ZOf(args, token) - Dot(p, dp, args.experts);
  float* dlogits = args.dlogits[token];
  for (int64_t e = Lane(); e < args.experts; e += kWarp) {
    dlogits[e] = p[e] * (dp[e] + shift);
  }
  AddChosenSoftmaxGradient(args, token, dlogits);
}

// d(P)/ds · b of scores divided by their sum, or 0.
__device__ void BalanceGradientOfScores(const Backward& args, int64_t token,
                                        float* ds) {
  const float* b = BalanceOf(args, token);
  if (b == nullptr) {
    for (int64_t e = Lane(); e < args.experts; e += kWarp) ds[e] = 0.0f;
    return;
  }
  const float* logits = args.logits[token];
  const float mean = Dot(args.probabilities[token], b, args.experts);
  float sum = 0.0f;
  for (int64_t e = Lane(); e < args.experts; e += kWarp) {
    sum += Sigmoid(logits[e]).sigmoid;
  }
  sum = WarpSum(sum) + kLeastSum;
  for (int64_t e = Lane(); e < args.experts; e += kWarp) {
    ds[e] = (b[e] - mean) / sum;
  }
}

__global__ void __launch_bounds__(kTokenBlock)
    SigmoidBackwardKernel(TokenWarps warps, Backward args) {
  const int64_t token = warps.Token();
  if (token >= warps.tokens) return;
  const float* logits = args.logits[token];
  float* ds = warps.Row<float>();
  BalanceGradientOfScores(args, token, ds);
  AddGateGradient(
      args, token, [&](int32_t e) { return Sigmoid(logits[e]).sigmoid; }, ds);
  const float z = ZOf(args, token);
  const float logsumexp = args.logsumexp[token];
  for (int64_t e = Lane(); e < args.experts; e += kWarp) {
    // Not s · (1 - s), which is 0 long before the slope is.
    const SigmoidPair s = Sigmoid(logits[e]);
    const float slope = s.sigmoid * s.complement;
    const float p = expf(logits[e] - logsumexp);
    args.dlogits[token][e] = fmaf(ds[e], slope, z * p);
  }
}

}  // namespace

void RouterBackward(Stream& stream, const RouterBackwardArgs& args) {
  const int64_t tokens = args.probabilities.dim(0);
  const int64_t experts = args.probabilities.dim(1);
  const bool balanced = args.balance_gradient.defined();
  const Backward backward = {
      args.rule,
      experts,
      args.experts.dim(1),
      RowsOf<float>(args.logits),
      RowsOf<float>(args.probabilities),
      args.logsumexp.data<float>(),
      RowsOf<int32_t>(args.experts),
      RowsOf<float>(args.gates),
      RowsOf<float>(args.dgates),
      args.valid.data<uint8_t>(),
      static_cast<const float*>(args.balance_gradient.raw()),
      balanced ? tokens / args.balance_gradient.dim(0) : tokens,
      args.z_gradient,
      MutableRowsOf<float>(args.dlogits)};
  RunTokenWarps(CudaStreamOf(stream), tokens, experts,
                args.rule.scoring == RouterScoring::kSigmoid
                    ? SigmoidBackwardKernel
                    : SoftmaxBackwardKernel,
                backward);
}

}  // namespace switchyard::kernels::cuda
