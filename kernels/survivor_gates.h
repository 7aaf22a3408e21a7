// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Gates of the assignments that capacity kept, scaled so that a token's add up
// to what the gates of all its assignments did:
//
//   A = sum of gates;  B = sum of the kept ones
//   survivors_j = gates_j · A / B for kept j, 0 for the others
//
// So normalised gates are normalised over the survivors (DeepSpeed-MoE
// 2201.05596, whose gates are divided by their sum after dropping), and gates
// that are raw probabilities keep the weight of the mixture against the
// residual. A token that lost nothing keeps its gates bit for bit; one that
// lost all has gates of 0; so has one with B = 0.
//
// `rows` says who was kept (RowIndex): -1 where there is no row. kNoExpert
// (no_expert.h) is no assignment and enters no sum.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_SURVIVOR_GATES_H_
#define SWITCHYARD_KERNELS_SURVIVOR_GATES_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct SurvivorGatesArgs {
  ConstTensorView gates;    // fp32 [tokens, k]
  ConstTensorView experts;  // int32 [tokens, k]
  ConstTensorView rows;     // int32 [tokens, k]
  TensorView survivors;     // fp32 [tokens, k]
};
void SurvivorGates(Stream& stream, const SurvivorGatesArgs& args);

// With d_j = dsurvivors_j of the kept and M = sum over them of d_j gates_j / B:
//   dgates_j = (d_j - M) · A / B + M for the kept, M for the dropped
struct SurvivorGatesBackwardArgs {
  ConstTensorView gates;       // fp32 [tokens, k]
  ConstTensorView experts;     // int32 [tokens, k]
  ConstTensorView rows;        // int32 [tokens, k]
  ConstTensorView dsurvivors;  // fp32 [tokens, k]
  TensorView dgates;           // fp32 [tokens, k]
};
void SurvivorGatesBackward(Stream& stream,
                           const SurvivorGatesBackwardArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_SURVIVOR_GATES_H_
