// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One number for all weights of a model, the same on every rank and in every
// layout:
//
//   sum over parameters p of MixKey(Checksum(weights of p), name of p), mod
//   2^64
//
// and likewise over its state tensors (parameter.h), with Checksum as
// kernels/checksum.h defines it, over all elements of the whole logical
// parameter in its own dtype, and MixKey of base/philox.h. So it knows bits,
// order and names, and not who holds what. Runs in different dtypes have
// different checksums.
#ifndef SWITCHYARD_RUNTIME_NN_WEIGHTS_CHECKSUM_H_
#define SWITCHYARD_RUNTIME_NN_WEIGHTS_CHECKSUM_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/base/stream.h"
#include "switchyard/runtime/nn/parameter.h"
#include "switchyard/runtime/parallel/grid.h"

namespace switchyard {

// A collective call of the world.
absl::StatusOr<uint64_t> WeightsChecksum(Stream& stream, const Grid& grid,
                                         const ParameterStore& store);

// The checksum of each logical parameter, by Parameter::index, then that of
// each state tensor; on every rank. An error if two holders of one have
// different bits.
absl::StatusOr<std::vector<int64_t>> ParameterChecksums(
    Stream& stream, const Grid& grid, const ParameterStore& store);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_WEIGHTS_CHECKSUM_H_
