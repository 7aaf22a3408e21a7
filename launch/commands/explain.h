// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard explain`: what a rule computes, with the numbers of a model.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_EXPLAIN_H_
#define SWITCHYARD_LAUNCH_COMMANDS_EXPLAIN_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace switchyard::launch {

// The page that `arguments`, those after "explain", ask for: the list of topics
// without any. An error, one sentence, if there is no such topic or flag.
absl::StatusOr<std::string> ExplainPage(
    absl::Span<const std::string> arguments);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_EXPLAIN_H_
