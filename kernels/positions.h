// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// From chosen experts to places: who is kept under a capacity, and which row of
// its expert's segment each kept assignment gets.
//
// Priority for capacity: all first choices, then all second choices, ...;
// within a choice by token (GShard 2006.16668). Rows of the kept ones are in
// the order (token, choice). Padding tokens, and choices that are kNoExpert
// (no_expert.h), are assigned to nobody.
//
// An operand of another shape or dtype is a bug: a check ends the process. So
// is an expert that does not exist.
#ifndef SWITCHYARD_KERNELS_POSITIONS_H_
#define SWITCHYARD_KERNELS_POSITIONS_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

struct PositionsArgs {
  ConstTensorView experts;  // int32 [tokens, k]
  ConstTensorView valid;    // uint8 [tokens]
  int64_t capacity = 0;     // rows an expert takes; 0: no limit (dropless)
  TensorView positions;  // int32 [tokens, k]: row in the segment; -1: dropped,
                         // -2: assigned to nobody
  TensorView assigned;   // int32 [experts]: before dropping
  TensorView kept;       // int32 [experts]: after dropping
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
