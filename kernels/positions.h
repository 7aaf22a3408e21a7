// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// From chosen experts to places: who is kept under a capacity, who goes to
// another expert instead, and which row of its expert's segment each kept
// assignment gets.
//
// Priority for capacity: all first choices, then all second choices, ...;
// within a choice by token (GShard 2006.16668) or in a given order
// (priority_order.h). Rows of the kept ones are in the order (token, choice).
// Padding tokens, and choices that are kNoExpert (no_expert.h), are assigned to
// nobody.
//
// With `next_experts` what found no room is rerouted (No-Token-Left-Behind,
// Switch 2101.03961, appendix B): when all choices had their turn, every token
// that still has an assignment without a place tries its next expert, in the
// order of priority, then those left try the one after, and so on. A place
// found goes to the token's first choice without one.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is an expert that does not exist.
#ifndef SWITCHYARD_KERNELS_POSITIONS_H_
#define SWITCHYARD_KERNELS_POSITIONS_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// Rows of PositionsArgs::overflow, each counted at the expert that was chosen.
enum OverflowCount : int {
  kOverCapacity,  // assignments that it had no room for
  kRerouted,      // those of them that another expert took; the rest is dropped
  kLostTokens,    // tokens that lost all they were assigned to, and whose first
                  // assignment was this expert
  kOverflowCounts
};

struct PositionsArgs {
  ConstTensorView experts;  // int32 [tokens, k]
  ConstTensorView valid;    // uint8 [tokens]
  int64_t capacity = 0;     // rows an expert takes of a scope; 0: no limit
                            // (dropless)
  TensorView positions;  // int32 [tokens, k]: row in the segment; -1: dropped,
                         // -2: assigned to nobody
  TensorView assigned;   // int32 [experts]: chosen, before dropping
  TensorView kept;       // int32 [experts]: rows, after rerouting and dropping

  // Tokens in a row that share a capacity; 0: all of them.
  int64_t scope_tokens = 0;
  // Optional, int32 [tokens]: the tokens of each scope, first come first.
  ConstTensorView order = {};
  // Optional, int32 [tokens, tries]: distinct, and none of the token's own.
  ConstTensorView next_experts = {};
  // With next_experts, int32 [tokens, k]: `experts` after rerouting.
  TensorView placed = {};
  // Optional, int32 [kOverflowCounts, experts].
  TensorView overflow = {};
};
void Positions(Stream& stream, const PositionsArgs& args);

// rows[t, j] = base[experts[t, j]] + positions[t, j], or -1 where the
// position or the expert is negative: where each assignment's row lies in a
// buffer of segments.
struct RowIndexArgs {
  ConstTensorView experts;    // int32 [tokens, k]
  ConstTensorView positions;  // int32 [tokens, k]
  ConstTensorView base;       // int32 [experts]
  TensorView rows;            // int32 [tokens, k]
};
void RowIndex(Stream& stream, const RowIndexArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_POSITIONS_H_
