// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Where assignments go that their experts have no room for (No-Token-Left-
// Behind, Switch 2101.03961, appendix B; Positions does the rerouting), and
// with which gates.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is an expert that does not exist.
#ifndef SWITCHYARD_KERNELS_REROUTE_H_
#define SWITCHYARD_KERNELS_REROUTE_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// The experts that a token did not choose with the highest probabilities, best
// first, ties to the lower expert; NaN comes last.
struct NextExpertsArgs {
  ConstTensorView probabilities;  // fp32 [tokens, experts]
  ConstTensorView experts;        // int32 [tokens, k]
  TensorView next_experts;        // int32 [tokens, tries], k + tries <= experts
};
void NextExperts(Stream& stream, const NextExpertsArgs& args);

// The gates of the experts where the rows go. Those of a token whose experts
// are the chosen ones are the router's, bit for bit. The others are what the
// router's rule gives for them under softmax scores (kernels/router.h):
//   gates_j = scaling · p_j, divided by the token's sum of p if `normalize`
struct ReroutedGatesArgs {
  ConstTensorView probabilities;  // fp32 [tokens, experts]
  ConstTensorView chosen;         // int32 [tokens, k], the router's
  ConstTensorView chosen_gates;   // fp32 [tokens, k], the router's
  ConstTensorView experts;        // int32 [tokens, k], PositionsArgs::placed
  bool normalize = true;
  float scaling = 1.0f;
  TensorView gates;  // fp32 [tokens, k]
};
void ReroutedGates(Stream& stream, const ReroutedGatesArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_REROUTE_H_
