// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// From heads of keys and values to fewer ones (Ainslie et al., GQA,
// 2305.13245, section 2.1). With K heads before and G after, G dividing K, new
// head g stands for the contiguous heads r g to r g + r - 1, r = K / G:
//
//   mean    its rows of the projections are the means of theirs, biases too
//   first   those of the first of them
//   random  initial values of the new model
//
// Queries and the output stay as they are. The rotary embedding is linear and
// the same for all heads, so a mean of projections gives the mean of the
// rotated keys; a norm of keys is not, so with "qk_norm" it gives their mean
// before the norm.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_GROUPED_QUERY_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_GROUPED_QUERY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/runtime/checkpoint/model_weights.h"

namespace switchyard {

enum class GroupMethod { kMean, kFirst, kRandom };

struct GroupedQueryOptions {
  int64_t kv_heads = 0;  // G
  GroupMethod method = GroupMethod::kMean;
  uint64_t seed = 0;    // of kRandom
  std::string version;  // of the program
};

// Writes the checkpoint `to`, every tensor in its own dtype. An error if G does
// not divide the heads, or if keys are normalised over all heads together
// (QkNorm::kFull), whose weights belong to the heads that there were.
absl::Status ConvertToGroupedQuery(ModelWeights& from,
                                   const GroupedQueryOptions& options,
                                   const std::string& to);

// `heads` [K, elements of a head] as [G, elements of a head], not by kRandom.
// Means are formed in double: those of equal heads are these heads.
std::vector<float> GroupHeads(absl::Span<const float> heads, int64_t before,
                              int64_t after, GroupMethod method);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_GROUPED_QUERY_H_
