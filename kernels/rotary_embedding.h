// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Rotary position embedding (Su et al., 2021) in Hugging Face's half-rotation:
// element j of a head is paired with j + head_dim/2 and turned by the angle
// position · theta^(-2j/head_dim).
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_ROTARY_EMBEDDING_H_
#define SWITCHYARD_KERNELS_ROTARY_EMBEDDING_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// Fills cos, sin (fp32 [positions, head_dim/2]). Angles are fp32, as in the
// reference models; their cosines are computed in double and rounded.
void RotaryTable(Stream& stream, double theta, const TensorView& cos,
                 const TensorView& sin);

// Turns x in place. Row r is position first_position + r % sequence_length.
struct RotaryArgs {
  TensorView x;  // [rows, heads, head_dim], fp32 or bf16, rows may be strided
  // fp32 [>= first_position + sequence_length, head_dim/2]
  ConstTensorView cos;
  ConstTensorView sin;
  int64_t sequence_length = 0;
  bool backward = false;  // turn by the negative angle
  int64_t first_position = 0;
};
void Rotate(Stream& stream, const RotaryArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ROTARY_EMBEDDING_H_
