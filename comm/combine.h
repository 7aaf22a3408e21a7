// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of reductions that are not left to a library.
#ifndef SWITCHYARD_COMM_COMBINE_H_
#define SWITCHYARD_COMM_COMBINE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "switchyard/base/dtype.h"
#include "switchyard/comm/communicator.h"

namespace switchyard::comm {

// result = parts[0] op parts[1] op ..., elementwise, from left to right; each
// has `count` elements. `result` may be one of the parts. int32, int64, fp32
// and fp64.
void Combine(DType dtype, ReduceOp op, absl::Span<const std::byte* const> parts,
             std::byte* result, int64_t count);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_COMBINE_H_
