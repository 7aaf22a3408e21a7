// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A group of ranks and its collectives, named as MPI and NCCL name them.
//
//   comm::Ticket ticket = group.AllReduce(stream, gradient,
//                                         comm::ReduceOp::kSum,
//                                         {layer, "backward"});
//   ...                               // arithmetic that does not touch it
//   SWITCHYARD_RETURN_IF_ERROR(ticket.Wait());
//
// Rules, the same for every implementation (self/, thread/, mpi/; nccl/ carries
// a GPU's memory for each of them):
// - All ranks of a group call the same collectives in the same order with
//   matching arguments, and one thread of each rank makes the calls. No rank
//   skips one: with nothing to send it takes part with zero elements.
// - A call first waits for the work enqueued on `stream`; buffers belong to
//   the collective from then until Wait returns. With nccl/ neither blocks the
//   host: the collective begins behind the stream's work, and what the same
//   stream is given after Wait begins behind the collective. Other streams, and
//   the host, must wait for that stream (WaitForResults).
// - Wait polls until the deadline (the group's timeout). DeadlineExceeded when
//   it passes; Unavailable when a peer is gone or the message library fails;
//   FailedPrecondition when the ranks' calls do not match. The message is the
//   ledger's report (ledger.h). The group is dead then, and so are all groups
//   of its world (over MPI: of the process): every later call fails at once,
//   with the same code.
// - Counts are elements. Any count an int64_t holds works: implementations cut
//   what their library cannot send in one call.
// - Views are contiguous. Sums of integers are exact; of floating-point numbers
//   each implementation's order is fixed for a given group size only.
#ifndef SWITCHYARD_COMM_COMMUNICATOR_H_
#define SWITCHYARD_COMM_COMMUNICATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/base/stream.h"
#include "switchyard/base/tensor_view.h"
#include "switchyard/comm/ledger.h"
#include "switchyard/comm/ticket.h"

namespace switchyard::comm {

// int32, int64, fp32 and fp64 can be reduced.
enum class ReduceOp { kSum, kMin, kMax };

// Who calls, for the ledger. `phase` must be a string literal.
struct Caller {
  int layer = -1;  // -1: not a layer
  const char* phase = "";
};

// `count` elements from element `offset` of a buffer go to, or come from,
// `peer`.
struct Block {
  int peer = 0;
  int64_t offset = 0;
  int64_t count = 0;
};

// Where a rank of a group runs.
struct Member {
  std::string host;
  int64_t process = 0;  // process id on that host
  int node = 0;         // hosts numbered by their first rank in the world
  int world_rank = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // By rank in this group.
  virtual const std::vector<Member>& members() const = 0;

  // buffer = op over ranks of buffer, elementwise, on every rank.
  virtual Ticket AllReduce(Stream& stream, const TensorView& buffer,
                           ReduceOp op, Caller caller) = 0;

  // `send` holds sum(counts) elements, the same layout on every rank; rank r
  // receives the reduced elements of its part, counts[r] of them. `recv` may be
  // this rank's part of `send`; what `send` holds afterwards is undefined.
  virtual Ticket ReduceScatter(Stream& stream, const TensorView& send,
                               const TensorView& recv,
                               absl::Span<const int64_t> counts, ReduceOp op,
                               Caller caller) = 0;

  // Rank r's `send` (counts[r] elements) lands in its part of everyone's
  // `recv`. `send` may be this rank's part of `recv`.
  virtual Ticket AllGather(Stream& stream, const ConstTensorView& send,
                           const TensorView& recv,
                           absl::Span<const int64_t> counts, Caller caller) = 0;

  // Sends each block of `send` to its peer, receives each block of `recv` from
  // its peer. The non-empty blocks between two ranks are matched in list order
  // and must agree in count; empty ones move nothing. A block for this rank
  // itself is copied. No two received blocks may overlap, nor one a sent block.
  // Both lists must live until Wait returns.
  virtual Ticket AllToAllV(Stream& stream, const ConstTensorView& send,
                           absl::Span<const Block> send_blocks,
                           const TensorView& recv,
                           absl::Span<const Block> recv_blocks,
                           Caller caller) = 0;

  // Every rank's buffer becomes root's.
  virtual Ticket Broadcast(Stream& stream, const TensorView& buffer, int root,
                           Caller caller) = 0;

  virtual Ticket Barrier(Caller caller) = 0;

  // Ranks with the same color form a group, ordered by (key, rank). A
  // collective call; every rank gets exactly one group. Reports call it `name`.
  // Blocks; errors are those of Wait.
  virtual absl::StatusOr<std::unique_ptr<Communicator>> Split(
      int color, int key, const std::string& name = "group") = 0;

  // OK unless the group is dead: then the error, and what collectives should
  // have written is undefined.
  virtual absl::Status Health() = 0;

  // This rank's, shared by all groups of its world.
  virtual Ledger& ledger() = 0;

  // Bytes that this rank handed to other ranks by AllToAllV so far.
  virtual int64_t all_to_all_sent_bytes() const = 0;

  // Prints `message`, calls the fatal handler (base/check.h) and ends every
  // rank of the job, this one included, without waiting for anyone. For errors
  // after which no collective can agree on anything.
  [[noreturn]] virtual void Abort(const std::string& message) = 0;

 protected:
  Communicator() = default;
};

// Waits for what `stream` was given, results of `group`'s collectives among it.
// An error if the group has died: the results are not there. On a GPU only this
// tells it, for a ticket's Wait does not wait for the device.
inline absl::Status WaitForResults(Stream& stream, Communicator& group) {
  stream.Wait();
  return group.Health();
}

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_COMMUNICATOR_H_
