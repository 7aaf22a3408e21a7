// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernel on the oracle's problems (router_oracle.h), and problems of every
// rule.
#ifndef SWITCHYARD_TESTS_UNIT_KERNELS_ROUTER_CASES_H_
#define SWITCHYARD_TESTS_UNIT_KERNELS_ROUTER_CASES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "switchyard/base/device.h"
#include "switchyard/tests/support/test_tensor.h"
#include "switchyard/tests/unit/kernels/router_oracle.h"

namespace switchyard::kernels {

RouterDecision Route(Device& device, const RouterProblem& in,
                     testing::Layout layout = {});
// dlogits.
Values RouteBackward(Device& device, const RouterProblem& in,
                     const RouterDecision& decision, const RouterFlow& flow,
                     testing::Layout layout = {});

RouterFlow RandomFlow(const RouterProblem& in);
// Random inputs without near ties, which rounding would decide.
RouterProblem RandomProblem(RouterProblem in, int64_t tokens, bool biased,
                            bool noisy);

// Scores and gates of every kind that k choices may have.
std::vector<RouterRule> Scorings(int64_t k);
// Calls `check` for all of them with all groups, experts and k. `extras`: 1
// adds a bias, 2 a noise.
void ForEveryRule(const std::vector<int>& all_extras,
                  const std::function<void(const RouterProblem&)>& check);
std::string NameOf(const RouterProblem& in);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_UNIT_KERNELS_ROUTER_CASES_H_
