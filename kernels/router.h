// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The router in fp32: from logits to scores, the chosen experts and their gates
// (Switch 2101.03961, Mixtral 2401.04088, DeepSeek-V2 2405.04434, DeepSeek-V3
// 2412.19437). Products with the router's weight are made by the caller (MatMul
// in fp32).
//
//   s = softmax(logits) over all experts, or sigmoid(logits)
//   v = s(logits + selection_noise) + selection_bias
//   chosen = the k largest v, ties to the lower expert
//   gate_j = scaling · s_chosen_j                           (kNone)
//          = scaling · s_chosen_j / (sum_i s_chosen_i + 1e-20)     (kSum)
//          = scaling · softmax over the chosen logits       (kSoftmax)
//
// Noise and bias decide who is chosen and never enter a gate (2408.15664). With
// more than one group the experts lie in contiguous groups of equal size, and
// only those of the groups_per_token groups with the highest score are chosen
// from; ties to the lower group. A row of NaN still gives k distinct experts.
//
// `probabilities` is what balance losses average (P of kernels/balance_loss.h),
// and sums to 1 over a token's experts: s itself under softmax; under sigmoid s
// divided by its sum, s_e / (sum_i s_i + 1e-20) (DeepSeek-V3, eq. 19).
// logsumexp is that of the logits under both.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// are rules that contradict each other, a replayed expert that does not exist,
// and one in the backward pass.
#ifndef SWITCHYARD_KERNELS_ROUTER_H_
#define SWITCHYARD_KERNELS_ROUTER_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

enum class RouterScoring { kSoftmax, kSigmoid };

enum class GateNormalization {
  kNone,
  kSum,      // of a single choice: as kNone, or it would always be 1
  kSoftmax,  // needs softmax scoring and two choices
};

// Of a group's v.
enum class GroupScore {
  kMax,       // DeepSeek-V2, also where groups are devices (section 2.2.2)
  kSumOfTwo,  // of the two best, DeepSeek-V3; needs groups of two or more
};

struct RouterRule {
  RouterScoring scoring = RouterScoring::kSoftmax;
  GateNormalization gates = GateNormalization::kSum;
  float scaling = 1.0f;
  int64_t groups = 1;  // divides the experts
  int64_t groups_per_token = 1;
  GroupScore group_score = GroupScore::kMax;
};

struct RouterArgs {
  ConstTensorView logits;  // fp32 [tokens, experts]
  RouterRule rule = {};
  ConstTensorView selection_bias = {};   // optional, fp32 [experts]
  ConstTensorView selection_noise = {};  // optional, fp32 [tokens, experts]
  TensorView probabilities;              // fp32 [tokens, experts]
  TensorView logsumexp;                  // fp32 [tokens]
  TensorView experts;                    // int32 [tokens, k], best v first
  TensorView gates;                      // fp32 [tokens, k]
  // Optional, int32 [tokens, k]: chosen whatever their v, distinct ones.
  ConstTensorView replayed = {};
};
void Router(Stream& stream, const RouterArgs& args);

// dlogits from the gates' gradients, the balance loss and the z-loss, with the
// choice held fixed; P is `probabilities`, b the balance gradient:
//   ds = d(gates)/ds · dgates + d(P)/ds · b        (b for valid tokens only)
//   dlogits = d(s)/d(logits) · ds + z_gradient · 2 · logsumexp ·
//   softmax(logits)
// (the z term for valid tokens only). Under kSoftmax the gates' part goes to
// the chosen logits directly. An assignment to kNoExpert (no_expert.h) counts
// in no sum. With several sequences b is that of the token's, of tokens /
// sequences neighbours.
struct RouterBackwardArgs {
  ConstTensorView logits = {};    // fp32 [tokens, experts]; sigmoid only
  ConstTensorView probabilities;  // fp32 [tokens, experts]
  ConstTensorView logsumexp;      // fp32 [tokens]
  ConstTensorView experts;        // int32 [tokens, k]
  ConstTensorView gates;          // fp32 [tokens, k]
  ConstTensorView dgates;         // fp32 [tokens, k]
  ConstTensorView valid;          // uint8 [tokens]: 1 counts, 0 is padding
  ConstTensorView balance_gradient = {};  // fp32 [sequences, experts], optional
  float z_gradient = 0.0f;
  RouterRule rule = {};
  TensorView dlogits;  // fp32 [tokens, experts]
};
void RouterBackward(Stream& stream, const RouterBackwardArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ROUTER_H_
