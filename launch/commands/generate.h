// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_LAUNCH_COMMANDS_GENERATE_H_
#define SWITCHYARD_LAUNCH_COMMANDS_GENERATE_H_

#include <string>

#include "absl/types/span.h"

namespace switchyard::launch {

// `switchyard generate`: writes on from a prompt with the model of a
// checkpoint. `arguments` are those after the command's name. Returns the exit
// code.
int Generate(absl::Span<const std::string> arguments);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_GENERATE_H_
