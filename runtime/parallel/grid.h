// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The grid of ranks. The world is the data-parallel group. An expert-parallel
// group is `width` consecutive ranks that share out the experts; an expert-data
// group joins the owners of the same experts in all expert-parallel groups.
//
//   6 ranks, width 2, 4 experts:   expert groups   {0,1} {2,3} {4,5}
//                                  expert data     {0,2,4} own experts 0, 1
//                                                  {1,3,5} own experts 2, 3
#ifndef SWITCHYARD_RUNTIME_PARALLEL_GRID_H_
#define SWITCHYARD_RUNTIME_PARALLEL_GRID_H_

#include <memory>

#include "absl/status/statusor.h"
#include "switchyard/comm/communicator.h"

namespace switchyard {

class Grid {
 public:
  // `width` must divide the ranks and the experts. A collective call. `world`
  // must outlive the grid.
  static absl::StatusOr<Grid> Create(comm::Communicator& world, int width,
                                     int experts);

  comm::Communicator& world() const { return *world_; }
  comm::Communicator& expert_parallel() const { return *expert_parallel_; }
  comm::Communicator& expert_data() const { return *expert_data_; }

  int width() const { return expert_parallel_->size(); }
  int experts() const { return experts_; }
  int experts_per_rank() const { return experts_ / width(); }
  // This rank owns experts [first_expert, first_expert + experts_per_rank).
  int first_expert() const {
    return expert_parallel_->rank() * experts_per_rank();
  }
  bool OwnsExpert(int expert) const {
    return expert >= first_expert() &&
           expert < first_expert() + experts_per_rank();
  }

 private:
  Grid() = default;

  comm::Communicator* world_ = nullptr;
  std::unique_ptr<comm::Communicator> expert_parallel_;
  std::unique_ptr<comm::Communicator> expert_data_;
  int experts_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_PARALLEL_GRID_H_
