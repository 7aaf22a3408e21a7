// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// RouterRule, bias and noise as the formulas of kernels/router.h, in plain
// loops in double.
#ifndef SWITCHYARD_TESTS_UNIT_KERNELS_ROUTER_ORACLE_H_
#define SWITCHYARD_TESTS_UNIT_KERNELS_ROUTER_ORACLE_H_

#include <cstdint>
#include <vector>

#include "switchyard/kernels/router.h"

namespace switchyard::kernels {

using Values = std::vector<double>;

// Row-major inputs of all tokens; no bias or no noise where they are empty.
struct RouterProblem {
  int64_t experts, k;
  RouterRule rule;
  Values logits, bias, noise;
  int64_t tokens() const {
    return static_cast<int64_t>(logits.size()) / experts;
  }
};

struct RouterDecision {
  Values probabilities, logsumexp, experts, gates;
};

// Row `t` of all; nothing of nothing.
Values RowOf(const Values& all, int64_t t, int64_t width);

// What chooses, of one token, and what its groups have of it.
Values SelectionScores(const RouterProblem& in, int64_t t);
Values GroupScores(const RouterRule& rule, const Values& v);

RouterDecision RouterOracle(const RouterProblem& in);

// What flows into the backward pass.
struct RouterFlow {
  Values dgates, valid, balance_gradient;
  double z_gradient = 0.37f;
};

// dlogits of the decision's experts, of the oracle's own values.
Values CentralDifferences(const RouterProblem& in,
                          const RouterDecision& decision,
                          const RouterFlow& flow);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_UNIT_KERNELS_ROUTER_ORACLE_H_
