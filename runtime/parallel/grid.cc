// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/parallel/grid.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard {

absl::StatusOr<Grid> Grid::Create(comm::Communicator& world, int width,
                                  int experts) {
  if (width < 1 || world.size() % width != 0 || experts % width != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the expert-parallel width must divide ", world.size(), " ranks and ",
        experts, " experts, but it is ", width, "; choose a common divisor"));
  }
  Grid grid;
  grid.world_ = &world;
  grid.experts_ = experts;
  SWITCHYARD_ASSIGN_OR_RETURN(
      grid.expert_parallel_,
      world.Split(/*color=*/world.rank() / width, /*key=*/world.rank(),
                  "expert-parallel"));
  SWITCHYARD_ASSIGN_OR_RETURN(grid.expert_data_,
                              world.Split(/*color=*/world.rank() % width,
                                          /*key=*/world.rank(), "expert-data"));
  return grid;
}

}  // namespace switchyard
