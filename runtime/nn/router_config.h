// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How a model's tokens choose their experts, beyond how many of how many
// (model_config.h).
#ifndef SWITCHYARD_RUNTIME_NN_ROUTER_CONFIG_H_
#define SWITCHYARD_RUNTIME_NN_ROUTER_CONFIG_H_

#include <cstdint>
#include <optional>

namespace switchyard {

struct RouterConfig {
  // norm_topk_prob: gates are divided by their sum. Never for a single expert:
  // it would be 1 and leave the router without a gradient. By default from two
  // on.
  std::optional<bool> renormalize;
  int64_t device_groups = 1;
  int64_t device_groups_per_token = 1;
  bool selection_bias = false;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_ROUTER_CONFIG_H_
