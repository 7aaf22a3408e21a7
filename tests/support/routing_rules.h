// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The rules by which tokens choose experts, or experts tokens, as small runs.
#ifndef SWITCHYARD_TESTS_SUPPORT_ROUTING_RULES_H_
#define SWITCHYARD_TESTS_SUPPORT_ROUTING_RULES_H_

#include <vector>

#include "switchyard/runtime/train/options.h"

namespace switchyard::testing {

struct RoutingRule {
  const char* name = "";
  RouterConfig router = {};
  ExplorationOptions exploration = {};
};

std::vector<RoutingRule> RoutingRules();

// Four steps of SmallRun (layout_run.h).
TrainOptions RunOf(const RoutingRule& rule, DType dtype);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_ROUTING_RULES_H_
