// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/parallel/grid.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard {

absl::Status CheckExpertParallel(int ranks, int width, int experts) {
  if (width < 1 || ranks % width != 0 || experts % width != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--expert_parallel must divide the ", ranks, " ranks and the model's ",
        experts, " experts, but it is ", width, "; choose another (",
        DefaultExpertParallel(ranks, ranks, experts), " would do)"));
  }
  return absl::OkStatus();
}

int DefaultExpertParallel(int ranks, int ranks_per_node, int experts) {
  for (int width = ranks; width > 1; --width) {
    const bool fits_node =
        ranks_per_node >= ranks || ranks_per_node % width == 0;
    if (ranks % width == 0 && experts % width == 0 && fits_node) return width;
  }
  return 1;
}

absl::StatusOr<Grid> Grid::Create(comm::Communicator& world, int width,
                                  int experts) {
  SWITCHYARD_RETURN_IF_ERROR(
      CheckExpertParallel(world.size(), width, experts));
  Grid grid;
  grid.world_ = &world;
  grid.experts_ = experts;
  SWITCHYARD_ASSIGN_OR_RETURN(
      grid.expert_parallel_,
      world.Split(/*color=*/world.rank() / width, /*key=*/world.rank()));
  SWITCHYARD_ASSIGN_OR_RETURN(
      grid.expert_data_,
      world.Split(/*color=*/world.rank() % width, /*key=*/world.rank()));
  return grid;
}

}  // namespace switchyard
