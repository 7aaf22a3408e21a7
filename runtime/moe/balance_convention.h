// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a balance loss's coefficient means elsewhere. Systems publish one
// number, but some add up layers, some average over them, some pool them, and a
// loss is 1 or k at perfect balance: the same number is another strength.
//
//   const double c = FromConvention(BalanceConvention::kHuggingFace, 0.02,
//                                   {.layers = 32, .experts_per_token = 2});
//
// A coefficient X there is c here if both add the same to the objective at
// perfect balance, over all layers; then their gradients are equal too wherever
// the losses count the same (pooled layers: if all layers have equal loads).
#ifndef SWITCHYARD_RUNTIME_MOE_BALANCE_CONVENTION_H_
#define SWITCHYARD_RUNTIME_MOE_BALANCE_CONVENTION_H_

#include <cstdint>

#include "absl/types/span.h"

namespace switchyard {

enum class BalanceConvention {
  kSwitchyard,
  kSwitchTransformers,
  kMegatronCore,
  kDeepSpeedMoe,
  kDeepSeek,
  kHuggingFace,
  kMegaBlocks,
  kOlmoCore,
};

// The sizes of a model that a convention may know.
struct BalanceModel {
  int64_t layers = 1;
  int64_t experts = 1;
  int64_t experts_per_token = 1;
};

// How the layers' losses make one.
enum class LayerReduction { kSum, kMean };

// At which value a layer's (or the pooled) loss stands.
enum class BalanceLevel {
  kOne,
  kExpertsPerToken,             // k
  kExperts,                     // E
  kExpertsOverExpertsPerToken,  // E / k
};
double ValueOf(BalanceLevel level, const BalanceModel& model);
// "1", "k", "E", "E/k".
const char* NameOf(BalanceLevel level);

struct BalanceConventionFacts {
  BalanceConvention convention;
  const char* name;         // for flags and tables
  const char* coefficient;  // what the system calls it
  const char* formula;      // n_e: assignments to e, P_e: mean probability of
                            // e, T: tokens, F_e: share of first choices
  const char* layers;       // how layers become one number, in words
  const char* source;
  LayerReduction reduction;
  BalanceLevel at_balance;
  // With all first choices and all probability on one expert of each layer.
  BalanceLevel at_one_expert;
};
absl::Span<const BalanceConventionFacts> BalanceConventions();
const BalanceConventionFacts& FactsOf(BalanceConvention convention);

// Switchyard's c for a coefficient of `convention`, and back.
double FromConvention(BalanceConvention convention, double coefficient,
                      const BalanceModel& model);
double ToConvention(BalanceConvention convention, double c,
                    const BalanceModel& model);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_BALANCE_CONVENTION_H_
