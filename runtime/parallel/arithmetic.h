// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One arithmetic on all ranks (docs/numerics.md has a section of that name).
// Results do not depend on the layout only if every rank computes the same bits
// from the same inputs: the ranks take the least instruction set among them,
// and then compare a fingerprint of what they compute.
#ifndef SWITCHYARD_RUNTIME_PARALLEL_ARITHMETIC_H_
#define SWITCHYARD_RUNTIME_PARALLEL_ARITHMETIC_H_

#include <cstdint>

#include "absl/status/status.h"
#include "switchyard/base/dtype.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

// Checksums of a training step of the model's modules on fixed tokens (forward,
// losses, backward, gradient sums, AdamW), of products with the model's own
// inner dimensions, and of exp, cos, log and pow of the C library. What it
// takes in time and memory has a bound that grows with the model's widths
// alone: the step is that of a shrunk model where the model is large.
uint64_t ArithmeticFingerprint(Stream& stream, const ModelConfig& config,
                               DType dtype);

// An error that names the ranks whose fingerprint differs from rank 0's. A
// collective call.
absl::Status CompareFingerprints(comm::Communicator& world,
                                 uint64_t fingerprint);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_PARALLEL_ARITHMETIC_H_
