// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// SwiGLU (Shazeer, 2002.05202): act = silu(gate) · up with silu(a) = a·σ(a).
// `gate_up` holds gate (w1 x) in its first half of columns and up (w3 x) in
// its second. Arithmetic in fp32, rounded once.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_SWIGLU_H_
#define SWITCHYARD_KERNELS_SWIGLU_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// act [rows, width] from gate_up [rows, 2·width]; fp32 or bf16.
void SwiGlu(Stream& stream, const ConstTensorView& gate_up,
            const TensorView& act);

// dgate = dact · up · σ(gate) · (1 + gate · (1 - σ(gate)))
// dup = dact · silu(gate)
// dgate_up may be the same memory as gate_up.
void SwiGluBackward(Stream& stream, const ConstTensorView& gate_up,
                    const ConstTensorView& dact, const TensorView& dgate_up);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_SWIGLU_H_
