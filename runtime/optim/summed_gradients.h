// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a step's gradients are, whoever holds them: between
// ShardedAdamW::ReduceGradients and the next ParameterStore::ZeroGradients.
// Collective calls of the world, with the same results on all ranks.
#ifndef SWITCHYARD_RUNTIME_OPTIM_SUMMED_GRADIENTS_H_
#define SWITCHYARD_RUNTIME_OPTIM_SUMMED_GRADIENTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/base/stream.h"
#include "switchyard/runtime/nn/parameter.h"
#include "switchyard/runtime/optim/sharded_adamw.h"
#include "switchyard/runtime/parallel/grid.h"

namespace switchyard {

// A 64-bit checksum of every parameter's gradient, by Parameter::index: of each
// norm chunk (65,536 elements) that of kernels/checksum.h, which knows bits and
// places, and of those one that knows their order. Gradients that differ in an
// element differ in it but for a chance of 2^-64.
absl::StatusOr<std::vector<int64_t>> GradientChecksums(
    Stream& stream, const Grid& grid, const ParameterStore& store,
    ShardedAdamW& optimizer);

// All elements of one parameter's gradient, row-major, in fixed-point units.
absl::StatusOr<std::vector<int64_t>> SummedGradient(Stream& stream,
                                                    const Grid& grid,
                                                    const Parameter& parameter,
                                                    ShardedAdamW& optimizer);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_OPTIM_SUMMED_GRADIENTS_H_
