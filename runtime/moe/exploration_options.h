// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a router tries out in training, and never in an evaluation. Names are
// those of flags.
#ifndef SWITCHYARD_RUNTIME_MOE_EXPLORATION_OPTIONS_H_
#define SWITCHYARD_RUNTIME_MOE_EXPLORATION_OPTIONS_H_

#include "absl/status/status.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

struct ExplorationOptions {};

// One sentence that names the flag.
absl::Status Validate(const ExplorationOptions& options,
                      const ModelConfig& model);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_EXPLORATION_OPTIONS_H_
