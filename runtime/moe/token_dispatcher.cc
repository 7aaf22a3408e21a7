// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/token_dispatcher.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/kernels/permute.h"
#include "switchyard/kernels/priority_order.h"
#include "switchyard/kernels/reroute.h"
#include "switchyard/runtime/moe/deferred_gradients.h"

namespace switchyard {

absl::StatusOr<ConstTensorView> TokenDispatcher::ExchangeCounts(
    const Execution& run, const ConstTensorView& kept) const {
  const int width = grid_.width();
  const int64_t per_rank = grid_.experts_per_rank();
  if (width == 1) return kept.Reshaped({1, per_rank});
  const TensorView arriving = run.New(DType::kInt32, {width, per_rank});
  const absl::Span<comm::Block> blocks = run.NewHost<comm::Block>(width);
  for (int peer = 0; peer < width; ++peer) {
    blocks[peer] = {peer, peer * per_rank, per_rank};
  }
  comm::Ticket ticket = grid_.expert_parallel().AllToAllV(
      run.stream, kept, blocks, arriving, blocks, {layer_, "counts"});
  SWITCHYARD_RETURN_IF_ERROR(ticket.Wait());
  return arriving;
}

void TokenDispatcher::PlanSegments(const Execution& run,
                                   absl::Span<const int32_t> arriving,
                                   Routing& routing) const {
  const int width = grid_.width();
  const int per_rank = grid_.experts_per_rank();
  const absl::Span<kernels::Segment> segments =
      run.NewHost<kernels::Segment>(int64_t{width} * per_rank);
  int64_t row = 0;
  for (int expert = 0; expert < per_rank; ++expert) {
    for (int source = 0; source < width; ++source) {
      kernels::Segment& segment = segments[expert * width + source];
      segment.expert = expert;
      segment.row = row;
      segment.rows = arriving[source * per_rank + expert];
      segment.padded_rows = kernels::PaddedRows(segment.rows);
      row += segment.padded_rows;
      routing.received_rows += segment.rows;
    }
  }
  routing.segments = segments;
  routing.segment_rows = row;
}

void TokenDispatcher::PlanOutgoing(absl::Span<const int32_t> leaving,
                                   Routing& routing,
                                   absl::Span<int32_t> base) const {
  const int width = grid_.width();
  const int per_rank = grid_.experts_per_rank();
  const int self = grid_.expert_parallel().rank();
  int64_t row = routing.segment_rows;
  for (int expert = 0; expert < grid_.experts(); ++expert) {
    if (expert / per_rank == self) {
      const int own = expert % per_rank;
      base[expert] =
          static_cast<int32_t>(routing.segments[own * width + self].row);
    } else {
      base[expert] = static_cast<int32_t>(row);
      row += leaving[expert];
    }
  }
  // Operators number rows in int32: the bases above, and what they add to them.
  SWITCHYARD_CHECK(row <= std::numeric_limits<int32_t>::max())
      << row << " rows in a buffer of layer " << layer_;
  routing.outgoing_rows = row - routing.segment_rows;
}

// Blocks are matched with the other side's in the order of experts.
RoutingChunk TokenDispatcher::PlanChunk(const Execution& run,
                                        const ChunkRange& range,
                                        absl::Span<const int32_t> leaving,
                                        absl::Span<const int32_t> base,
                                        const Routing& routing) const {
  const int width = grid_.width();
  const int per_rank = grid_.experts_per_rank();
  const int self = grid_.expert_parallel().rank();
  const int64_t experts = range.last - range.first;
  const int64_t count = experts * (range.far - range.near);
  const absl::Span<kernels::Segment> segments =
      run.NewHost<kernels::Segment>(count);
  const absl::Span<int32_t> places = run.NewHost<int32_t>(count);
  size_t at = 0;
  for (int own = range.first; own < range.last; ++own) {
    for (int source = 0; source < width; ++source) {
      const int distance = (self - source + width) % width;
      if (distance < range.near || distance >= range.far) continue;
      places[at] = own * width + source;
      segments[at] = routing.segments[places[at]];
      ++at;
    }
  }
  const int64_t travelling = count - (range.near == 0 ? experts : 0);
  const absl::Span<comm::Block> outgoing = run.NewHost<comm::Block>(travelling);
  const absl::Span<comm::Block> incoming = run.NewHost<comm::Block>(travelling);
  at = 0;
  for (int distance = std::max(range.near, 1); distance < range.far;
       ++distance) {
    const int owner = (self + distance) % width;
    const int source = (self - distance + width) % width;
    for (int own = range.first; own < range.last; ++own, ++at) {
      const int expert = owner * per_rank + own;
      outgoing[at] = {owner, base[expert], leaving[expert]};
      const kernels::Segment& segment = routing.segments[own * width + source];
      incoming[at] = {source, segment.row, segment.rows};
    }
  }
  return {segments, places, outgoing, incoming};
}

// Every rank makes the same calls: distances around the group are the same for
// all.
void TokenDispatcher::PlanChunks(const Execution& run,
                                 absl::Span<const int32_t> leaving,
                                 absl::Span<const int32_t> base,
                                 Routing& routing) const {
  const int width = grid_.width();
  const int per_rank = grid_.experts_per_rank();
  const int wanted =
      static_cast<int>(std::min(run.overlap_chunks, kMaxOverlapChunks));
  const bool by_expert = per_rank >= wanted;
  const int parts = by_expert ? per_rank : width;  // that are dealt out
  const int count = std::min(wanted, parts);
  const absl::Span<RoutingChunk> chunks = run.NewHost<RoutingChunk>(count);
  for (int c = 0; c < count; ++c) {
    const int first = parts * c / count, last = parts * (c + 1) / count;
    const ChunkRange range = by_expert ? ChunkRange{first, last, 0, width}
                                       : ChunkRange{0, per_rank, first, last};
    chunks[c] = PlanChunk(run, range, leaving, base, routing);
  }
  routing.chunks = chunks;
}

void TokenDispatcher::Lay(const Execution& run,
                          absl::Span<const int32_t> leaving,
                          const kernels::PositionsArgs& placed,
                          const TensorView& rows, Routing& routing) const {
  const absl::Span<int32_t> base = run.NewHost<int32_t>(grid_.experts());
  PlanOutgoing(leaving, routing, base);
  PlanChunks(run, leaving, base, routing);
  const TensorView base_view = run.New(DType::kInt32, {grid_.experts()});
  run.stream.CopyToDevice(base_view, base.data());
  kernels::RowIndex(run.stream, {.experts = routing.experts,
                                 .positions = placed.positions,
                                 .base = base_view,
                                 .rows = rows});
  routing.rows = rows;
}

absl::Status TokenDispatcher::TooManyRows(int64_t rows, int64_t rank) const {
  return absl::ResourceExhaustedError(absl::StrCat(
      "layer ", layer_, " sends ", rows, " rows to the experts of rank ", rank,
      ", more than --max_rows_per_rank ", max_rows_,
      "; raise it, lower --micro_batch, or bound the rows of an "
      "expert by --capacity_factor where tokens choose"));
}

absl::Status TokenDispatcher::CheckReceivedRows(const Execution& run,
                                                int64_t rows) const {
  if (max_rows_ == 0) return absl::OkStatus();
  // The most rows and who gets them, in one number.
  comm::Communicator& world = grid_.world();
  int64_t most = rows * world.size() + world.rank();
  const TensorView view = run.New(DType::kInt64, {1});
  run.stream.CopyToDevice(view, &most);
  SWITCHYARD_RETURN_IF_ERROR(
      world.AllReduce(run.stream, view, comm::ReduceOp::kMax, {layer_, "rows"})
          .Wait());
  run.stream.CopyToHost(&most, view);
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(run.stream, world));
  if (most / world.size() <= max_rows_) return absl::OkStatus();
  return TooManyRows(most / world.size(), most % world.size());
}

kernels::PositionsArgs TokenDispatcher::Place(const Execution& run,
                                              const RouterOutput& router,
                                              const ConstTensorView& valid,
                                              const OverflowRule& rule,
                                              const TensorView& experts) const {
  const int64_t tokens = router.experts.dim(0);
  kernels::PositionsArgs args;
  args.experts = router.experts;
  args.valid = valid;
  args.capacity = rule.capacity;
  args.scope_tokens = rule.scope_tokens;
  args.positions = run.New(DType::kInt32, router.experts.shape());
  args.assigned = run.New(DType::kInt32, {grid_.experts()});
  args.kept = run.New(DType::kInt32, {grid_.experts()});
  if (rule.policy == DropPolicy::kProbability) {
    const TensorView order = run.New(DType::kInt32, {tokens});
    kernels::PriorityOrder(run.stream, {.probabilities = router.probabilities,
                                        .experts = router.experts,
                                        .scope_tokens = rule.scope_tokens,
                                        .order = order});
    args.order = order;
  }
  if (rule.more_experts > 0) {
    const TensorView next = run.New(DType::kInt32, {tokens, rule.more_experts});
    kernels::NextExperts(run.stream, {.probabilities = router.probabilities,
                                      .experts = router.experts,
                                      .next_experts = next});
    args.next_experts = next;
    args.placed = experts;
  }
  if (rule.capacity > 0) {
    args.overflow =
        run.New(DType::kInt32, {kernels::kOverflowCounts, grid_.experts()});
  }
  kernels::Positions(run.stream, args);
  return args;
}

void TokenDispatcher::CopyCounts(const Execution& run,
                                 const kernels::PositionsArgs& placed,
                                 Routing& routing) const {
  const size_t experts = static_cast<size_t>(grid_.experts());
  const absl::Span<int32_t> assigned = run.NewHost<int32_t>(grid_.experts());
  const absl::Span<int32_t> kept = run.NewHost<int32_t>(grid_.experts());
  const absl::Span<int32_t> overflow =
      run.NewHost<int32_t>(kernels::kOverflowCounts * grid_.experts());
  run.stream.CopyToHost(assigned.data(), placed.assigned);
  run.stream.CopyToHost(kept.data(), placed.kept);
  if (placed.overflow.defined()) {
    run.stream.CopyToHost(overflow.data(), placed.overflow);
  }
  const auto counts = [&](kernels::OverflowCount which) {
    return overflow.subspan(which * experts, experts);
  };
  routing.assigned = assigned;
  routing.kept = kept;
  routing.over_capacity = counts(kernels::kOverCapacity);
  routing.rerouted = counts(kernels::kRerouted);
  routing.lost_tokens = counts(kernels::kLostTokens);
}

absl::Status TokenDispatcher::Plan(const Execution& run,
                                   const RouterOutput& router,
                                   const ConstTensorView& valid,
                                   const OverflowRule& rule,
                                   Routing& routing) const {
  routing = Routing();
  const Shape& choices = router.experts.shape();
  const TensorView rows = run.New(DType::kInt32, choices);
  routing.experts = router.experts;
  TensorView experts;
  if (rule.more_experts > 0) {
    routing.experts = experts = run.New(DType::kInt32, choices);
  }
  ArenaScope scratch(run.arena);
  const kernels::PositionsArgs placed =
      Place(run, router, valid, rule, experts);
  CopyCounts(run, placed, routing);
  // A GPU's queue should not run dry for a few numbers.
  if (rule.expert_rows > 0 && run.stream.device().kind() == DeviceKind::kCuda) {
    return PlanFixed(run, rule, placed, rows, routing);
  }
  return PlanCounted(run, placed, rows, routing);
}

absl::Status TokenDispatcher::PlanFixed(const Execution& run,
                                        const OverflowRule& rule,
                                        const kernels::PositionsArgs& placed,
                                        const TensorView& rows,
                                        Routing& routing) const {
  routing.fixed = true;
  // From every rank to every expert, and here one entry for each of both.
  const absl::Span<int32_t> all = run.NewHost<int32_t>(grid_.experts());
  std::fill(all.begin(), all.end(), static_cast<int32_t>(rule.expert_rows));
  PlanSegments(run, all, routing);
  // The same number on all ranks, so all return.
  if (max_rows_ > 0 && routing.received_rows > max_rows_) {
    return TooManyRows(routing.received_rows, grid_.world().rank());
  }
  Lay(run, all, placed, rows, routing);
  return absl::OkStatus();
}

absl::Status TokenDispatcher::PlanCounted(const Execution& run,
                                          const kernels::PositionsArgs& placed,
                                          const TensorView& rows,
                                          Routing& routing) const {
  SWITCHYARD_ASSIGN_OR_RETURN(const ConstTensorView arriving_view,
                              ExchangeCounts(run, placed.kept));
  const absl::Span<int32_t> arriving = run.NewHost<int32_t>(grid_.experts());
  run.stream.CopyToHost(arriving.data(), arriving_view);
  // The one time that the host must know.
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(run.stream, grid_.world()));
  PlanSegments(run, arriving, routing);
  SWITCHYARD_RETURN_IF_ERROR(CheckReceivedRows(run, routing.received_rows));
  Lay(run, routing.kept, placed, rows, routing);
  return absl::OkStatus();
}

comm::Ticket TokenDispatcher::Move(const Execution& run,
                                   const TensorView& buffer,
                                   absl::Span<const comm::Block> from,
                                   absl::Span<const comm::Block> to,
                                   const char* phase) const {
  if (grid_.width() == 1) return comm::Ticket();
  // The tables live as long as the micro-batch: longer than the ticket.
  const int64_t width = buffer.dim(1);
  const auto in_elements = [&](absl::Span<const comm::Block> rows) {
    const absl::Span<comm::Block> elements =
        run.NewHost<comm::Block>(static_cast<int64_t>(rows.size()));
    for (size_t i = 0; i < rows.size(); ++i) {
      elements[i] = {rows[i].peer, rows[i].offset * width,
                     rows[i].count * width};
    }
    return elements;
  };
  const absl::Span<comm::Block> sent = in_elements(from);
  const absl::Span<comm::Block> received = in_elements(to);
  return grid_.expert_parallel().AllToAllV(run.stream, buffer, sent, buffer,
                                           received, {layer_, phase});
}

absl::Status TokenDispatcher::Finish(const Execution& run,
                                     comm::Ticket ticket) {
  if (run.deferred != nullptr) {
    while (!ticket.Poll() && run.deferred->MakeOne(run.stream)) {
    }
  }
  return ticket.Wait();
}

TensorView TokenDispatcher::NewBuffer(const Execution& run,
                                      const Routing& routing, DType dtype,
                                      int64_t width) const {
  return run.New(dtype, {routing.buffer_rows(), width});
}

void TokenDispatcher::ZeroOwnRows(const Execution& run, const Routing& routing,
                                  const TensorView& buffer) const {
  run.stream.Zero(buffer.Rows(routing.segment_rows, routing.buffer_rows()));
  const size_t width = static_cast<size_t>(grid_.width());
  const size_t self = static_cast<size_t>(grid_.expert_parallel().rank());
  for (size_t i = self; i < routing.segments.size(); i += width) {
    const kernels::Segment& segment = routing.segments[i];
    run.stream.Zero(buffer.Rows(segment.row, segment.row + segment.rows));
  }
}

TokenDispatcher::Movement TokenDispatcher::StartDispatch(
    const Execution& run, const Routing& routing, const ConstTensorView& x,
    const ConstTensorView& gates, const char* phase) const {
  Movement movement;
  movement.buffer = NewBuffer(run, routing, x.dtype(), x.dim(1));
  kernels::ZeroPadding(run.stream, routing.segments, movement.buffer);
  if (routing.fixed) ZeroOwnRows(run, routing, movement.buffer);
  kernels::Permute(run.stream, {.x = x,
                                .rows = routing.rows,
                                .gates = gates,
                                .buffer = movement.buffer});
  for (size_t c = 0; c < routing.chunks.size(); ++c) {
    const RoutingChunk& chunk = routing.chunks[c];
    movement.tickets[c] =
        Move(run, movement.buffer, chunk.outgoing, chunk.incoming, phase);
  }
  return movement;
}

absl::StatusOr<TensorView> TokenDispatcher::Dispatch(
    const Execution& run, const Routing& routing, const ConstTensorView& x,
    const ConstTensorView& gates, const char* phase) const {
  Movement arriving = StartDispatch(run, routing, x, gates, phase);
  for (comm::Ticket& ticket : arriving.tickets) {
    SWITCHYARD_RETURN_IF_ERROR(Finish(run, std::move(ticket)));
  }
  return arriving.buffer;
}

comm::Ticket TokenDispatcher::Return(const Execution& run,
                                     const RoutingChunk& chunk,
                                     const TensorView& buffer,
                                     const char* phase) const {
  return Move(run, buffer, chunk.incoming, chunk.outgoing, phase);
}

}  // namespace switchyard
