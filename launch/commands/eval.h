// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#ifndef SWITCHYARD_LAUNCH_COMMANDS_EVAL_H_
#define SWITCHYARD_LAUNCH_COMMANDS_EVAL_H_

#include <string>

#include "absl/types/span.h"

namespace switchyard::launch {

// `switchyard eval`: the loss of a checkpoint's model on a text. `arguments`
// are those after the command's name. Returns the exit code.
int Eval(absl::Span<const std::string> arguments);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_EVAL_H_
