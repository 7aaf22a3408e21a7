// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A checksum of a tensor's bits: the sum modulo 2^64 of a mix of every element
// and its index, so that any two tensors that differ in a bit or in an order
// have different sums but for a chance of 2^-64.
//
// An operand of another shape or dtype is a bug: a check ends the process.
#ifndef SWITCHYARD_KERNELS_CHECKSUM_H_
#define SWITCHYARD_KERNELS_CHECKSUM_H_

#include "switchyard/base/stream.h"

namespace switchyard::kernels {

// result (int64 [1]) = checksum of x: contiguous, fp32, bf16 or int64.
void Checksum(Stream& stream, const ConstTensorView& x,
              const TensorView& result);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_CHECKSUM_H_
