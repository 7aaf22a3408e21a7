// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard checkpoint list|show|verify PATH`: what checkpoints there are,
// what one holds, and whether every byte of it is as it was written.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_CHECKPOINT_H_
#define SWITCHYARD_LAUNCH_COMMANDS_CHECKPOINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace switchyard::launch {

// What to print. `arguments` are those after "checkpoint". An error is one
// sentence.
absl::StatusOr<std::string> CheckpointPage(
    absl::Span<const std::string> arguments);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_CHECKPOINT_H_
