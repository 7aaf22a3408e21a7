// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/overflow_options.h"

namespace switchyard {

absl::Status Validate(const OverflowOptions&, const ModelConfig&) {
  return absl::OkStatus();
}

int64_t ExpertCapacity(const OverflowOptions& options, const ModelConfig& model,
                       int64_t tokens) {
  if (options.capacity_factor.dropless()) return 0;
  return options.capacity_factor.Capacity(model.experts_per_token, tokens,
                                          model.experts);
}

}  // namespace switchyard
