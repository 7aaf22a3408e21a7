// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How a model's tokens choose their experts, beyond how many of how many
// (model_config.h). Names are those of config.json; kernels/router.h has the
// formulas.
#ifndef SWITCHYARD_RUNTIME_NN_ROUTER_CONFIG_H_
#define SWITCHYARD_RUNTIME_NN_ROUTER_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>

#include "switchyard/kernels/router.h"

namespace switchyard {

// topk_method, DeepSeek's names.
enum class TopKMethod {
  kGreedy,              // of all experts
  kGroupLimitedGreedy,  // groups by their best expert (DeepSeek-V2)
  kNoAuxTc,             // groups by the sum of their two best (DeepSeek-V3)
};

// router_type: who chooses whom.
enum class RouterType {
  kTokenChoice,   // "token_choice": each token the k best experts
  kHash,          // "hash": k experts by token id, gates 1 / k (2106.04426;
                  // kernels/hash_router.h)
  kExpertChoice,  // "expert_choice": each expert the best tokens of a
                  // micro-batch, later ones too (2202.09368;
                  // moe/expert_choice_router.h)
};
const char* NameOf(RouterType type);

struct RouterConfig {
  // The keys below are of tokens that choose; another type refuses those that
  // mean nothing to it.
  RouterType type = RouterType::kTokenChoice;
  // scoring_func: "softmax" over all experts, or "sigmoid".
  kernels::RouterScoring scoring = kernels::RouterScoring::kSoftmax;
  // norm_topk_prob: gates are divided by their sum. Never for a single expert:
  // it would be 1 and leave the router without a gradient. By default from two
  // on.
  std::optional<bool> renormalize;
  // softmax_after_topk: gates are a softmax over the chosen logits. Equal to
  // the softmax over all, divided by the chosen ones' sum, but for rounding.
  bool softmax_after_topk = false;
  // routed_scaling_factor: of all gates, after they were renormalised.
  double scaling = 1.0;

  TopKMethod topk_method = TopKMethod::kGreedy;
  int64_t groups = 1;  // n_group: of neighbouring experts, equal sizes
  int64_t groups_per_token = 1;  // topk_group
  // n_device_groups, topk_device_groups: likewise, by their best expert, so
  // that a token meets few devices (2405.04434, section 2.2.2). Part of the
  // model, so that no rank count changes it; not together with n_group.
  int64_t device_groups = 1;
  int64_t device_groups_per_token = 1;

  // noisy_top_k: in training logits have noise of learned size, which is one
  // more matrix (1701.06538; moe/noisy_gate.h).
  bool noisy_top_k = false;

  // router_bias: experts are chosen by their scores and a bias that no gradient
  // reaches (DeepSeek-V3's e_score_correction_bias, 2408.15664). Read as true
  // where topk_method is "noaux_tc", unless the file says otherwise.
  bool selection_bias = false;
};

// The key and value that keep tokens from choosing the best of one softmax over
// all experts, such as "\"n_group\" 4"; empty if there is none.
std::string BeyondPlainSoftmax(const RouterConfig& config);

// What a run should say where the device groups are not the ranks of its
// expert-parallel groups; empty where they are, or where there are none.
std::string NoteOnDeviceGroups(const RouterConfig& config,
                               int64_t expert_parallel);

// What a run should say where tokens are routed by what comes after them; empty
// where they are not.
std::string NoteOnFutureTokens(const RouterConfig& config);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_ROUTER_CONFIG_H_
