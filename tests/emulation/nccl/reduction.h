// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_REDUCTION_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_REDUCTION_H_

#include <vector>

#include "nccl.h"

namespace switchyard::emulation {

size_t BytesOf(ncclDataType_t type);  // 0: not a type
const char* NameOf(ncclDataType_t type);
const char* NameOf(ncclRedOp_t op);

// Combines the ranks' values in the order of the ranks, bf16 in fp32 and
// rounded once. All have `count` elements.
std::vector<char> Reduce(const std::vector<std::vector<char>>& values,
                         size_t count, ncclDataType_t type, ncclRedOp_t op);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_REDUCTION_H_
