// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What happens to assignments that an expert has no room for. Names are those
// of flags.
#ifndef SWITCHYARD_RUNTIME_MOE_OVERFLOW_OPTIONS_H_
#define SWITCHYARD_RUNTIME_MOE_OVERFLOW_OPTIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "switchyard/runtime/moe/capacity_factor.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

struct OverflowOptions {
  CapacityFactor capacity_factor;  // over a micro-batch; zero: dropless
};

// One sentence that names the flag.
absl::Status Validate(const OverflowOptions& options, const ModelConfig& model);

// Rows that an expert takes of a micro-batch of `tokens` positions, padding
// included; 0: all of them (dropless). The options must be valid.
int64_t ExpertCapacity(const OverflowOptions& options, const ModelConfig& model,
                       int64_t tokens);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_OVERFLOW_OPTIONS_H_
