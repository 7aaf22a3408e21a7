// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard convert`: checkpoints from and to Hugging Face's folders, with
// fewer key and value heads, and from dense models to mixtures.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_CONVERT_H_
#define SWITCHYARD_LAUNCH_COMMANDS_CONVERT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace switchyard::launch {

// Does what `arguments`, those after "convert", say, by this process alone, and
// returns what to print. An error is one sentence.
absl::StatusOr<std::string> Convert(absl::Span<const std::string> arguments);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_CONVERT_H_
