// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/plan/rank_layout.h"

#include <map>
#include <numeric>

#include "switchyard/base/check.h"
#include "switchyard/base/status.h"

namespace switchyard {

absl::StatusOr<RankLayout> ResolveLayout(const TrainOptions& options,
                                         int64_t ranks,
                                         int64_t ranks_per_node) {
  SWITCHYARD_CHECK(ranks_per_node > 0 && ranks % ranks_per_node == 0)
      << ranks << " " << ranks_per_node;
  RankLayout layout;
  layout.ranks = ranks;
  layout.nodes = ranks / ranks_per_node;
  layout.expert_parallel =
      options.expert_parallel > 0
          ? options.expert_parallel
          : DefaultExpertParallel(options.model.experts, ranks, ranks_per_node);
  SWITCHYARD_RETURN_IF_ERROR(CheckExpertParallel(layout.expert_parallel,
                                                 options.model.experts, ranks));
  return layout;
}

absl::StatusOr<RankLayout> ResolveLayout(
    const TrainOptions& options, const std::vector<comm::Member>& members) {
  std::map<int, int64_t> ranks_of_node;
  for (const comm::Member& member : members) ++ranks_of_node[member.node];
  int64_t divisor = 0;
  for (const auto& [node, ranks] : ranks_of_node) {
    divisor = std::gcd(divisor, ranks);
  }
  SWITCHYARD_ASSIGN_OR_RETURN(
      RankLayout layout,
      ResolveLayout(options, static_cast<int64_t>(members.size()), divisor));
  layout.nodes = static_cast<int64_t>(ranks_of_node.size());
  return layout;
}

}  // namespace switchyard
