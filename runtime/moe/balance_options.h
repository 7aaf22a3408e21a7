// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What keeps the experts' loads level in training. Names are those of flags.
#ifndef SWITCHYARD_RUNTIME_MOE_BALANCE_OPTIONS_H_
#define SWITCHYARD_RUNTIME_MOE_BALANCE_OPTIONS_H_

#include "absl/status/status.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

struct BalanceOptions {};

// One sentence that names the flag.
absl::Status Validate(const BalanceOptions& options, const ModelConfig& model);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_BALANCE_OPTIONS_H_
