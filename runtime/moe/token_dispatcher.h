// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Moves rows between tokens and the owners of their experts. Plan agrees with
// the other ranks of the expert-parallel group who sends how much, and makes
// the Routing; the four movements follow from it and allocate by its sizes.
//
// On a GPU, where experts have a capacity, nobody asks who sends how much: full
// segments travel, and the host never waits for the device. Without a capacity
// it waits once a layer, for the numbers of rows; where rows are bounded as
// well, once more, for an all-reduce of the world over their numbers.
//
// Rows travel in Execution::overlap_chunks parts: one for some experts of each
// rank, or, where ranks have fewer experts, one for some pairs of ranks.
#ifndef SWITCHYARD_RUNTIME_MOE_TOKEN_DISPATCHER_H_
#define SWITCHYARD_RUNTIME_MOE_TOKEN_DISPATCHER_H_

#include <array>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/kernels/positions.h"
#include "switchyard/runtime/moe/overflow_options.h"
#include "switchyard/runtime/moe/router.h"
#include "switchyard/runtime/moe/routing.h"
#include "switchyard/runtime/nn/execution.h"
#include "switchyard/runtime/parallel/grid.h"

namespace switchyard {

class TokenDispatcher {
 public:
  // `max_rows` bounds the rows that this rank's experts may receive in one
  // layer; 0: no bound.
  TokenDispatcher(const Grid& grid, int layer, int64_t max_rows)
      : grid_(grid), layer_(layer), max_rows_(max_rows) {}

  // A collective call of the expert-parallel group, also without tokens; of the
  // whole world where rows are bounded, so that all ranks get the error.
  // `rule`: what experts take of this micro-batch, and what happens to the
  // rest.
  absl::Status Plan(const Execution& run, const RouterOutput& router,
                    const ConstTensorView& valid, const OverflowRule& rule,
                    Routing& routing) const;

  // Rows of x (times `gates` if defined) reach the segments of their experts:
  // the first part of the buffer, each chunk once Finish got its ticket.
  struct Movement {
    TensorView buffer;
    std::array<comm::Ticket, kMaxOverlapChunks> tickets;  // by chunk
  };
  Movement StartDispatch(const Execution& run, const Routing& routing,
                         const ConstTensorView& x, const ConstTensorView& gates,
                         const char* phase) const;
  // All of it at once.
  absl::StatusOr<TensorView> Dispatch(const Execution& run,
                                      const Routing& routing,
                                      const ConstTensorView& x,
                                      const ConstTensorView& gates,
                                      const char* phase) const;

  // A buffer whose first part the experts will fill.
  TensorView NewBuffer(const Execution& run, const Routing& routing,
                       DType dtype, int64_t width) const;

  // A chunk of the rows of such a buffer returns to its tokens' ranks, into the
  // second part. The ticket is for Finish.
  comm::Ticket Return(const Execution& run, const RoutingChunk& chunk,
                      const TensorView& buffer, const char* phase) const;

  // Waits for a movement, and makes deferred gradients meanwhile.
  static absl::Status Finish(const Execution& run, comm::Ticket ticket);

 private:
  // Gives every assignment its place at an expert, or none; fills the places'
  // experts.
  kernels::PositionsArgs Place(const Execution& run, const RouterOutput& router,
                               const ConstTensorView& valid,
                               const OverflowRule& rule,
                               const TensorView& experts) const;
  // What happened, for the host.
  void CopyCounts(const Execution& run, const kernels::PositionsArgs& placed,
                  Routing& routing) const;
  // What every rank of the group sends to the experts here, int32
  // [width, experts_per_rank], given what this rank's tokens send to all.
  absl::StatusOr<ConstTensorView> ExchangeCounts(
      const Execution& run, const ConstTensorView& kept) const;
  // An error on every rank of the world if one of them receives too many rows.
  absl::Status CheckReceivedRows(const Execution& run, int64_t rows) const;
  // The segments, given the rows of each rank and expert here, [width,
  // experts_per_rank].
  void PlanSegments(const Execution& run, absl::Span<const int32_t> arriving,
                    Routing& routing) const;
  // Where the rows of this rank's tokens lie that leave, given how many do, by
  // expert: fills each expert's first row.
  void PlanOutgoing(absl::Span<const int32_t> leaving, Routing& routing,
                    absl::Span<int32_t> base) const;
  void PlanChunks(const Execution& run, absl::Span<const int32_t> leaving,
                  absl::Span<const int32_t> base, Routing& routing) const;
  // One of them: experts [first, last) of each rank, and the ranks that are
  // `near` to `far` - 1 ranks before this one as sources, behind it as owners.
  struct ChunkRange {
    int first, last;  // experts of a rank
    int near, far;    // distances around the group
  };
  RoutingChunk PlanChunk(const Execution& run, const ChunkRange& range,
                         absl::Span<const int32_t> leaving,
                         absl::Span<const int32_t> base,
                         const Routing& routing) const;
  // What follows from the segments and the rows that leave; the rows' index
  // from it and from `placed`.
  void Lay(const Execution& run, absl::Span<const int32_t> leaving,
           const kernels::PositionsArgs& placed, const TensorView& rows,
           Routing& routing) const;
  absl::Status PlanFixed(const Execution& run, const OverflowRule& rule,
                         const kernels::PositionsArgs& placed,
                         const TensorView& rows, Routing& routing) const;
  absl::Status PlanCounted(const Execution& run,
                           const kernels::PositionsArgs& placed,
                           const TensorView& rows, Routing& routing) const;
  // Of a fixed plan, whose real rows the host does not know: where rows of this
  // rank's tokens may lie.
  void ZeroOwnRows(const Execution& run, const Routing& routing,
                   const TensorView& buffer) const;
  absl::Status TooManyRows(int64_t rows, int64_t rank) const;
  // Moves rows within a buffer: `from` blocks of this rank to peers, blocks of
  // peers to `to`.
  comm::Ticket Move(const Execution& run, const TensorView& buffer,
                    absl::Span<const comm::Block> from,
                    absl::Span<const comm::Block> to, const char* phase) const;

  const Grid& grid_;
  int layer_;
  int64_t max_rows_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_TOKEN_DISPATCHER_H_
