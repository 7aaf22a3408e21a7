// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Routing of the plain model (plain_model.h): kernels/router.h,
// kernels/expert_choice.h and kernels/positions.h in double precision.
#ifndef SWITCHYARD_TESTS_SUPPORT_PLAIN_ROUTER_H_
#define SWITCHYARD_TESTS_SUPPORT_PLAIN_ROUTER_H_

#include <cstdint>
#include <vector>

#include "switchyard/runtime/moe/overflow_options.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/tests/support/plain_matrix.h"
#include "switchyard/tests/support/plain_model.h"

namespace switchyard::testing {

struct PlainScores {
  PlainMatrix logits, scores, probabilities;  // [tokens, experts]
  std::vector<double> logsumexp;
};
PlainScores ScoreTokens(const PlainMatrix& logits, const RouterConfig& router);

struct PlainChoice {
  std::vector<int64_t> ranking;  // all experts, best score first
  std::vector<int64_t> experts;
  std::vector<double> gates;
  std::vector<bool> kept;
};

// `bias` chooses; empty: none. `held`: whose experts are taken, or null.
std::vector<PlainChoice> TokensChoose(const PlainScores& scores,
                                      const ModelConfig& config,
                                      const std::vector<double>& bias,
                                      const PlainRouting* held);
std::vector<PlainChoice> ExpertsChoose(const PlainScores& scores,
                                       const ModelConfig& config,
                                       const std::vector<uint8_t>& valid,
                                       const PlainRouting* held);

// Drops what is padding or has no room, and reroutes.
void ApplyOverflow(const OverflowRule& rule, const std::vector<uint8_t>& valid,
                   const PlainScores& scores, const ModelConfig& config,
                   std::vector<PlainChoice>& choices);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_PLAIN_ROUTER_H_
