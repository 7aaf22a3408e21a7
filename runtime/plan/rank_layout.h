// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How many ranks there are, on how many nodes, and how they share out the
// experts.
#ifndef SWITCHYARD_RUNTIME_PLAN_RANK_LAYOUT_H_
#define SWITCHYARD_RUNTIME_PLAN_RANK_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard {

struct RankLayout {
  int64_t ranks = 1;
  int64_t nodes = 1;
  int64_t expert_parallel = 1;  // divides ranks and experts
};

// The layout of `ranks` ranks on nodes of `ranks_per_node`, which divides them.
// Chooses the expert-parallel width unless the options do; an error if theirs
// does not fit.
absl::StatusOr<RankLayout> ResolveLayout(const TrainOptions& options,
                                         int64_t ranks, int64_t ranks_per_node);

// The same for the ranks of a communicator; nodes may hold different numbers.
absl::StatusOr<RankLayout> ResolveLayout(
    const TrainOptions& options, const std::vector<comm::Member>& members);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_PLAN_RANK_LAYOUT_H_
