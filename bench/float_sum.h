// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_BENCH_FLOAT_SUM_H_
#define SWITCHYARD_BENCH_FLOAT_SUM_H_

#include "switchyard/base/stream.h"

namespace switchyard::bench {

// The usual gradient sum: sum += leaf, fp32, packed, same element count (a
// multiple of 16).
void AddToFloatSum(Stream& stream, const ConstTensorView& leaf,
                   const TensorView& sum);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_FLOAT_SUM_H_
