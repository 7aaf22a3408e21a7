// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a router's decisions about one micro-batch look like: how sure it is,
// and how often neighbours go the same way. Nothing depends on it.
//
// Entropy of a token, in nats, of its scores divided by their sum S:
//
//   H_t = ln S - (sum_e p_e ln p_e) / S,   0 ln 0 = 0
//
// (S is 1 where p is a softmax): 0 for a router that is sure, ln E for one that
// knows nothing.
//
// Pairs are consecutive valid tokens of one sequence (Mixtral 2401.04088, table
// 5). A pair repeats its first choice if both tokens have the same one, and
// repeats first or second if the two best choices of one and the two best of
// the other have an expert in common. Where experts are chosen at random, those
// are 1/E and 1 - (E-2)(E-3) / (E(E-1)) of the pairs: 12.5 % and 46.4 % for 8.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_ROUTING_STATISTICS_H_
#define SWITCHYARD_KERNELS_ROUTING_STATISTICS_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct RoutingStatisticsArgs {
  ConstTensorView probabilities;  // fp32 [tokens, experts]
  // int32 [tokens, k], best first; a negative one is no choice, and a token
  // whose first choice is none is in no pair.
  ConstTensorView experts;
  ConstTensorView valid;        // uint8 [tokens]: 1 counts, 0 is padding
  int64_t sequence_length = 1;  // divides tokens
  TensorView entropy;           // fp64 [1]: sum of H_t over valid tokens
  // int64 [3], added to: pairs, those that repeat their first choice, and those
  // that repeat first or second (with k = 1, the same).
  TensorView pairs;
};
void RoutingStatistics(Stream& stream, const RoutingStatisticsArgs& args);

// range = the smallest and the largest value; both NaN if one is.
struct ValueRangeArgs {
  ConstTensorView values;  // fp32 [count], at least one
  TensorView range;        // fp32 [2]
};
void ValueRange(Stream& stream, const ValueRangeArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ROUTING_STATISTICS_H_
