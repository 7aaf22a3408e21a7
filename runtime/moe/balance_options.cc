// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/balance_options.h"

namespace switchyard {

absl::Status Validate(const BalanceOptions&, const ModelConfig&) {
  return absl::OkStatus();
}

}  // namespace switchyard
