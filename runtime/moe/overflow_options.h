// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What happens to assignments that an expert has no room for. Names are those
// of flags.
//
// An expert takes at most
//
//   C = min(max(ceil(factor · k · T / E), min_capacity), T)
//
// assignments of T positions, padding included: those of the micro-batch, or of
// each sequence. So what is dropped is a function of the micro-batch or of the
// sequence, never of ranks.
#ifndef SWITCHYARD_RUNTIME_MOE_OVERFLOW_OPTIONS_H_
#define SWITCHYARD_RUNTIME_MOE_OVERFLOW_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "switchyard/runtime/moe/capacity_factor.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

enum class CapacityScope { kMicroBatch, kSequence };

// Who comes first where room is short: all first choices, then all second ones,
// ...; within a choice
enum class DropPolicy {
  kPosition,     // the lower token (GShard 2006.16668, Switch 2101.03961)
  kProbability,  // the token with the higher first probability (batch-
                 // prioritised routing of V-MoE, 2106.05974)
};

struct OverflowOptions {
  CapacityFactor capacity_factor;  // zero: dropless
  // In evaluations; absent: capacity_factor. Switch trains with 1.25 and
  // evaluates with 2.
  std::optional<CapacityFactor> eval_capacity_factor;
  // Mesh-TensorFlow's Switch layers and DeepSpeed have 4 by default, others
  // none.
  int64_t min_capacity = 0;
  CapacityScope capacity_scope = CapacityScope::kMicroBatch;
  DropPolicy drop_policy = DropPolicy::kPosition;
  // Gates of the kept assignments of a token are scaled to the sum of the gates
  // of all (kernels/survivor_gates.h).
  bool renormalize_survivors = false;
  // No-Token-Left-Behind (Switch, appendix B): what found no room is rerouted
  // to the token's next experts by probability, up to its N best in all
  // (kernels/positions.h has the order, kernels/reroute.h the gates); 0: off.
  int64_t no_token_left_behind = 0;

  const CapacityFactor& factor(bool training) const {
    return training || !eval_capacity_factor ? capacity_factor
                                             : *eval_capacity_factor;
  }
  // Neither training nor evaluations have a capacity.
  bool dropless() const {
    return factor(true).dropless() && factor(false).dropless();
  }
};

// One sentence that names the flag.
absl::Status Validate(const OverflowOptions& options, const ModelConfig& model);

// What a layer does with one micro-batch.
struct OverflowRule {
  int64_t capacity = 0;      // rows an expert takes of a scope; 0: dropless
  int64_t scope_tokens = 0;  // tokens of a scope; 0: the micro-batch's
  DropPolicy policy = DropPolicy::kPosition;
  bool renormalize_survivors = false;
  int64_t more_experts = 0;  // that an assignment without a place tries
  // Rows that an expert takes of a whole micro-batch at most; 0: no limit.
  int64_t expert_rows = 0;
};

// The options must be valid.
OverflowRule MakeOverflowRule(const OverflowOptions& options,
                              const ModelConfig& model, int64_t sequences,
                              int64_t sequence_length, bool training);

// Rows that an expert takes of a micro-batch at most, over all its scopes; 0:
// no limit.
int64_t RowsOfExpert(const OverflowRule& rule, int64_t tokens);

// The names that flags use.
const char* NameOf(CapacityScope scope);
const char* NameOf(DropPolicy policy);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_OVERFLOW_OPTIONS_H_
