// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard train`.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_TRAIN_H_
#define SWITCHYARD_LAUNCH_COMMANDS_TRAIN_H_

#include <string>

#include "absl/types/span.h"

namespace switchyard::launch {

// `arguments` are those after "train". Starts the ranks' communication, trains,
// and returns the exit code of the process: 0, or 1 on every rank after rank 0
// has printed one sentence.
int Train(absl::Span<const std::string> arguments);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_TRAIN_H_
