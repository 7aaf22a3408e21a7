// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses that keep the experts' loads level, of one layer and micro-batch, and
// ST-MoE's router z-loss (2202.08906, eq. 5). Only valid tokens count. A
// micro-batch may be cut into sequences of equal length s, each with statistics
// of its own; without a cut there is one.
//
//   F_e = assignments to e / all assignments     (as counted, see below)
//   P_e = mean over the sequence's tokens of p_e
//         (RouterArgs::probabilities, router.h)
//   switch_s = scale · E · sum_e F_e P_e
//   balance = sum_s (tokens of s / tokens) · switch_s
//   z = mean over tokens of logsumexp²
//
// With scale 1 this is Switch's loss (2101.03961, eq. 4 to 6) and, where only
// first choices were counted, GShard's (2006.16668, algorithm 1): 1 at perfect
// balance. With all first choices and all probability on one expert it is E
// where first choices were counted, and E / k where all k were. With sequences
// it is DeepSeek-V3's sequence-wise loss (2412.19437, eq. 17 to 20).
//
// The experts may lie on D devices, E / D neighbours on each: DeepSeek-V2's
// losses (2405.04434, eq. 26 to 31), likewise over sequences,
//
//   device = D · sum_d F_d P_d           F_d, P_d: sums over d's experts
//   communication = sum_d (D / M) · (tokens with a choice on d / tokens) · P_d
//
// 1 at perfect balance, device D with everything on one device. M is the number
// of devices that a token may have choices on; tokens that all use fewer, m of
// them, give m / M.
//
// Where the counts come from is the caller's business, since they have no
// gradient: of the micro-batch, of several micro-batches, of all layers.
//
// A choice may be kNoExpert (no_expert.h): it is no assignment. A mean over no
// tokens is 0, and so is a loss without an assignment. Sums are made in double,
// in token order within fixed chunks.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is an expert that does not exist.
#ifndef SWITCHYARD_KERNELS_BALANCE_LOSS_H_
#define SWITCHYARD_KERNELS_BALANCE_LOSS_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// Adds what valid tokens chose: to column e of their sequence's row for each of
// their first `choices` choices of e; to column E + d once for each token that
// has any choice, of all k, on device d.
struct ExpertCountsArgs {
  ConstTensorView experts;  // int32 [tokens, k]
  ConstTensorView valid;    // uint8 [tokens]
  int64_t choices = 0;      // 0: all k
  int64_t devices = 0;      // D; 0: no columns for them
  // int64 [sequences, experts + devices], added to. Sequences divide tokens.
  TensorView counts;
};
void ExpertCounts(Stream& stream, const ExpertCountsArgs& args);

struct BalanceLossArgs {
  ConstTensorView probabilities;  // fp32 [tokens, experts]
  ConstTensorView logsumexp;      // fp32 [tokens]
  ConstTensorView valid;          // uint8 [tokens]
  // int64 [sequences, experts + devices], of ExpertCounts.
  ConstTensorView counts;
  double scale = 1.0;
  // d(objective)/d(loss): coefficients times this micro-batch's weight.
  double balance_weight = 0.0;
  double device_weight = 0.0;
  double communication_weight = 0.0;
  // With devices: choices of a token that were counted, and M.
  double counted_choices = 0.0;
  double devices_per_token = 0.0;
  TensorView losses;         // fp64 [2]: balance, z (without coefficients)
  TensorView device_losses;  // fp64 [2]: device, communication; optional
  // fp32 [sequences, experts], for RouterBackward: of the three losses by any p
  // of the sequence. balance_weight · scale · E · F_e / tokens, and so on.
  TensorView balance_gradient;
};
void BalanceLoss(Stream& stream, const BalanceLossArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_BALANCE_LOSS_H_
