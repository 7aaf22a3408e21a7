// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Moves rows between tokens and the owners of their experts. Plan agrees with
// the other ranks of the expert-parallel group who sends how much, and makes
// the Routing; the four movements follow from it and allocate by its sizes.
#ifndef SWITCHYARD_RUNTIME_MOE_TOKEN_DISPATCHER_H_
#define SWITCHYARD_RUNTIME_MOE_TOKEN_DISPATCHER_H_

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
  // the first part of the buffer, once Finish got the ticket.
  struct Movement {
    TensorView buffer;
    comm::Ticket ticket;
  };
  Movement StartDispatch(const Execution& run, const Routing& routing,
                         const ConstTensorView& x, const ConstTensorView& gates,
                         const char* phase) const;
  // Both at once.
  absl::StatusOr<TensorView> Dispatch(const Execution& run,
                                      const Routing& routing,
                                      const ConstTensorView& x,
                                      const ConstTensorView& gates,
                                      const char* phase) const;

  // A buffer whose first part the experts will fill.
  TensorView NewBuffer(const Execution& run, const Routing& routing,
                       DType dtype, int64_t width) const;

  // The rows of such a buffer return to their tokens' ranks, into its second
  // part. The ticket is for Finish.
  comm::Ticket Return(const Execution& run, const Routing& routing,
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
  void PlanIncoming(const Execution& run, absl::Span<const int32_t> arriving,
                    Routing& routing) const;
  // Fills the first row of every expert's rows of this rank's tokens.
  void PlanOutgoing(const Execution& run, Routing& routing,
                    absl::Span<int32_t> base) const;
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
