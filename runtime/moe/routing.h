// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The plan of one layer and micro-batch: which row of which buffer every
// assignment has, here and at the owners of the experts. Dispatch, combine and
// both of their backward passes share it.
//
// Rows live in a buffer of two parts: first the segments of this rank's own
// experts (rows from all ranks of the expert-parallel group, each segment
// padded), then the rows of this rank's tokens that belong to other ranks'
// experts, by expert. So one row index serves a token's own and travelling
// rows.
#ifndef SWITCHYARD_RUNTIME_MOE_ROUTING_H_
#define SWITCHYARD_RUNTIME_MOE_ROUTING_H_

#include <cstdint>

#include "absl/types/span.h"
#include "switchyard/base/tensor_view.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/kernels/segments.h"

namespace switchyard {

// Rows that travel together, in whole segments: those of some of each rank's
// experts, or, where a rank has fewer experts than there are chunks, those from
// some of the ranks. While a chunk is on its way, experts compute another.
struct RoutingChunk {
  absl::Span<const kernels::Segment> segments;  // ascending, maybe with gaps
  absl::Span<const int32_t> places;  // of each among the routing's segments
  // Blocks of the buffer's second part that leave, and blocks of the first part
  // that arrive, in rows.
  absl::Span<const comm::Block> outgoing;
  absl::Span<const comm::Block> incoming;
};
// More parts than this gain nothing.
inline constexpr int64_t kMaxOverlapChunks = 16;

struct Routing {
  // By (own expert, source rank): the order (expert, micro-batch).
  absl::Span<const kernels::Segment> segments;
  int64_t segment_rows = 0;   // rows of the first part of the buffer
  int64_t outgoing_rows = 0;  // rows of its second part
  int64_t received_rows = 0;  // real rows in the first part
  // Every segment has all the rows that an expert may take of a micro-batch,
  // zero where it took fewer, and as many travel: the host knows all sizes
  // without asking the device. Then `received_rows` counts them all, and the
  // counts below are there when the stream has been waited for.
  bool fixed = false;
  ConstTensorView rows;  // int32 [tokens, k]; -1: no row
  // int32 [tokens, k], where they go: the router's choice, but for assignments
  // that were rerouted.
  ConstTensorView experts;

  // All of it, in the order in which it travels.
  absl::Span<const RoutingChunk> chunks;

  // Of this rank's micro-batch, by expert: assignments before dropping, and
  // the rows that it takes.
  absl::Span<const int32_t> assigned;
  absl::Span<const int32_t> kept;
  // Why not all were kept, by the expert that was chosen: assignments that it
  // had no room for; those of them that another expert took, while the others
  // were dropped; tokens that lost all they were assigned to, by their first
  // choice. The sum of `assigned` is that of `kept` and of what was dropped.
  absl::Span<const int32_t> over_capacity;
  absl::Span<const int32_t> rerouted;
  absl::Span<const int32_t> lost_tokens;

  int64_t buffer_rows() const { return segment_rows + outgoing_rows; }
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_ROUTING_H_
