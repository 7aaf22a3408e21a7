// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// From a checkpoint into a model, on any layout. Each rank reads what it holds.
// Errors are one rank's own: agree on them before anyone goes on.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_RESTORE_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_RESTORE_H_

#include "absl/status/status.h"
#include "switchyard/base/stream.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/snapshot.h"
#include "switchyard/runtime/nn/parameter.h"

namespace switchyard {

// Overwrites all state that `visit` shows. An error names a tensor or number
// that is missing, is there and not known, or has another dtype or shape.
absl::Status RestoreState(Checkpoint& checkpoint, const ParameterStore& store,
                          Stream& stream, const VisitState& visit);

// Overwrites the weights and what else belongs to the model (state tensors),
// and master weights with them. A checkpoint's own master weights are read
// where it has some; the dtype may be another. Moments and numbers stay as they
// are.
absl::Status RestoreWeights(Checkpoint& checkpoint, const ParameterStore& store,
                            Stream& stream, const VisitState& visit);
// The same for a model without an optimizer: what this rank holds of `store`.
absl::Status RestoreWeights(Checkpoint& checkpoint, const ParameterStore& store,
                            Stream& stream);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_RESTORE_H_
