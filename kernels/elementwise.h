// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Elementwise operators.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_ELEMENTWISE_H_
#define SWITCHYARD_KERNELS_ELEMENTWISE_H_

#include <cstdint>

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// y = a + b: fp32 or bf16 (added in fp32, rounded once), same shapes. y may be
// the same memory as a or b.
void Add(Stream& stream, const ConstTensorView& a, const ConstTensorView& b,
         const TensorView& y);

// y = x in y's dtype: fp32 to bf16 (nearest even) or back, or the same.
void Cast(Stream& stream, const ConstTensorView& x, const TensorView& y);

// y[i] = value (fp32).
void Fill(Stream& stream, float value, const TensorView& y);

// y[i] (fp32) = stddev · normal(key, first_element + i): the standard normal
// number of a global element, from Philox by Box-Muller, computed in double and
// rounded once. Cut the tensor as you like: an element's value does not change,
// nor does it on another instruction set or on a GPU. Elements 4c to 4c + 3
// come from the words of counter (c, c >> 32, 0x6e6f726d, 0).
//
// With a cut, an element further than that from 0 is drawn again, with the
// counter's last word 1, 2, ...: a truncated normal number. `stddev` is that of
// before; cut at 2 (3) it is 0.880 (0.987) times that.
struct NormalArgs {
  uint64_t key = 0;
  int64_t first_element = 0;
  float stddev = 1.0f;
  TensorView y;      // fp32
  float cut = 0.0f;  // in standard deviations, at least 1; 0: none
};
void Normal(Stream& stream, const NormalArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ELEMENTWISE_H_
