// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/exploration_options.h"

namespace switchyard {

absl::Status Validate(const ExplorationOptions&, const ModelConfig&) {
  return absl::OkStatus();
}

}  // namespace switchyard
