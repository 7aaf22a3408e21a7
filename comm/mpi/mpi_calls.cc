// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/mpi_calls.h"

#include <algorithm>
#include <cstring>

#include "switchyard/base/status.h"
#include "switchyard/comm/block_matching.h"
#include "switchyard/comm/combine.h"
#include "switchyard/comm/failure.h"
#include "switchyard/comm/mpi/mpi_status.h"

namespace switchyard::comm {
namespace {

MPI_Op MpiOpOf(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return MPI_SUM;
    case ReduceOp::kMin:
      return MPI_MIN;
    case ReduceOp::kMax:
      return MPI_MAX;
  }
  return MPI_OP_NULL;
}

// Calls post(offset, count) for [0, total) in pieces of at most `limit`.
template <typename Post>
absl::Status ForEachPiece(int64_t total, int64_t limit, const Post& post) {
  for (int64_t offset = 0; offset < total; offset += limit) {
    const int64_t count = std::min(limit, total - offset);
    SWITCHYARD_RETURN_IF_ERROR(post(offset, static_cast<int>(count)));
  }
  return absl::OkStatus();
}

// Calls part(rank, offset, count) for every rank's part.
template <typename Part>
absl::Status ForEachPart(const Call& call, const Part& part) {
  int64_t offset = 0;
  for (int r = 0; r < static_cast<int>(call.counts.size()); ++r) {
    SWITCHYARD_RETURN_IF_ERROR(part(r, offset, call.counts[r]));
    offset += call.counts[r];
  }
  return absl::OkStatus();
}

absl::Status AllReduce(const MpiGroup& group, const Call& call,
                       MpiProgress& progress) {
  return ForEachPiece(
      call.count, group.limit, [&](int64_t offset, int count) -> absl::Status {
        SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Iallreduce(
            MPI_IN_PLACE, call.recv + offset * call.element_bytes(), count,
            MpiTypeOf(call.dtype), MpiOpOf(call.op), group.comm,
            progress.requests.Add()));
        return absl::OkStatus();
      });
}

// Messages between two ranks arrive in the order in which they were sent; the
// tag keeps those of different calls apart, so that ranks that call different
// things wait for each other instead of taking each other's data.
int TagOf(int64_t sequence) {
  constexpr int kTags = 32768;  // the least upper bound that MPI guarantees
  return static_cast<int>(sequence % kTags);
}

// Sends `count` elements to `peer` in messages of at most the limit.
absl::Status Send(const MpiGroup& group, const Call& call, int peer, int tag,
                  const std::byte* data, int64_t count, MpiRequests& requests) {
  return ForEachPiece(
      count, group.limit, [&](int64_t offset, int piece) -> absl::Status {
        SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Isend(
            data + offset * call.element_bytes(), piece, MpiTypeOf(call.dtype),
            peer, tag, group.comm, requests.Add()));
        return absl::OkStatus();
      });
}

absl::Status Receive(const MpiGroup& group, const Call& call, int peer, int tag,
                     std::byte* data, int64_t count, MpiRequests& requests) {
  const MPI_Datatype type = MpiTypeOf(call.dtype);
  return ForEachPiece(
      count, group.limit, [&](int64_t offset, int piece) -> absl::Status {
        SWITCHYARD_RETURN_IF_MPI_ERROR(
            MPI_Irecv(data + offset * call.element_bytes(), piece, type, peer,
                      tag, group.comm, requests.AddReceive(piece, type)));
        return absl::OkStatus();
      });
}

// Each rank sends every other its part and adds what it receives in the order
// of ranks. Each element crosses the wire as often as in any algorithm, and in
// one round, which a rank that comes back to Wait late cannot hold up half-way;
// Open MPI's non-blocking one goes through rank 0.
absl::Status ReduceScatter(const MpiGroup& group, int64_t sequence,
                           const Call& call, MpiProgress& progress) {
  const int tag = TagOf(sequence);
  const int64_t own_count = call.counts[group.rank];
  const int64_t own_bytes = own_count * call.element_bytes();
  const size_t scratch_bytes =
      static_cast<size_t>((group.size - 1) * own_bytes);
  if (progress.scratch.size() < scratch_bytes) {
    progress.scratch.resize(scratch_bytes);
  }
  progress.parts.assign(group.size, nullptr);
  std::byte* next = progress.scratch.data();
  for (int peer = 0; peer < group.size; ++peer) {
    if (peer == group.rank) continue;
    SWITCHYARD_RETURN_IF_ERROR(
        Receive(group, call, peer, tag, next, own_count, progress.requests));
    progress.parts[peer] = next;
    next += own_bytes;
  }
  return ForEachPart(
      call, [&](int peer, int64_t offset, int64_t count) -> absl::Status {
        const std::byte* part = call.send + offset * call.element_bytes();
        if (peer == group.rank) {
          progress.parts[peer] = part;
          return absl::OkStatus();
        }
        return Send(group, call, peer, tag, part, count, progress.requests);
      });
}

// One broadcast for each piece of each part.
absl::Status CutAllGather(const MpiGroup& group, const Call& call,
                          MpiProgress& progress) {
  return ForEachPart(call, [&](int root, int64_t part, int64_t part_count) {
    return ForEachPiece(
        part_count, group.limit,
        [&](int64_t offset, int count) -> absl::Status {
          SWITCHYARD_RETURN_IF_MPI_ERROR(
              MPI_Ibcast(call.recv + (part + offset) * call.element_bytes(),
                         count, MpiTypeOf(call.dtype), root, group.comm,
                         progress.requests.Add()));
          return absl::OkStatus();
        });
  });
}

absl::Status AllGather(const MpiGroup& group, const Call& call,
                       MpiProgress& progress) {
  if (call.count == 0) return absl::OkStatus();
  std::byte* own =
      call.recv + SumBefore(call.counts, group.rank) * call.element_bytes();
  const int64_t own_bytes = call.counts[group.rank] * call.element_bytes();
  if (own != call.send && own_bytes > 0) {
    std::memcpy(own, call.send, own_bytes);
  }
  if (call.count > group.limit) return CutAllGather(group, call, progress);
  progress.counts.assign(call.counts.begin(), call.counts.end());
  progress.offsets.assign(group.size, 0);
  for (int r = 1; r < group.size; ++r) {
    progress.offsets[r] = progress.offsets[r - 1] + progress.counts[r - 1];
  }
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Iallgatherv(
      MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, call.recv, progress.counts.data(),
      progress.offsets.data(), MpiTypeOf(call.dtype), group.comm,
      progress.requests.Add()));
  return absl::OkStatus();
}

absl::Status AllToAllV(const MpiGroup& group, int64_t sequence,
                       const Call& call, MpiProgress& progress) {
  const int64_t bytes = call.element_bytes();
  const int tag = TagOf(sequence);
  for (const Block& block : call.recv_blocks) {
    if (block.peer == group.rank) continue;
    SWITCHYARD_RETURN_IF_ERROR(Receive(group, call, block.peer, tag,
                                       call.recv + block.offset * bytes,
                                       block.count, progress.requests));
  }
  for (const Block& block : call.send_blocks) {
    if (block.peer == group.rank) continue;
    SWITCHYARD_RETURN_IF_ERROR(Send(group, call, block.peer, tag,
                                    call.send + block.offset * bytes,
                                    block.count, progress.requests));
  }
  return CopyOwnBlocks(call, group.rank) ? absl::OkStatus() : MismatchError();
}

absl::Status Broadcast(const MpiGroup& group, const Call& call,
                       MpiProgress& progress) {
  return ForEachPiece(
      call.count, group.limit, [&](int64_t offset, int count) -> absl::Status {
        SWITCHYARD_RETURN_IF_MPI_ERROR(
            MPI_Ibcast(call.recv + offset * call.element_bytes(), count,
                       MpiTypeOf(call.dtype), call.root, group.comm,
                       progress.requests.Add()));
        return absl::OkStatus();
      });
}

// Everyone learns everyone's color and key; the groups follow from them.
absl::Status Split(const MpiGroup& group, const Call& call,
                   MpiProgress& progress) {
  progress.split_keys.assign(2 * group.size, 0);
  progress.split_keys[2 * group.rank] = call.color;
  progress.split_keys[2 * group.rank + 1] = call.key;
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Iallgather(
      MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, progress.split_keys.data(), 2,
      MPI_INT, group.comm, progress.requests.Add()));
  return absl::OkStatus();
}

}  // namespace

absl::Status StartMpiCall(const MpiGroup& group, int64_t sequence,
                          const Call& call, MpiProgress& progress) {
  progress.requests.Clear();
  switch (call.kind) {
    case CallKind::kAllReduce:
      return AllReduce(group, call, progress);
    case CallKind::kReduceScatter:
      return ReduceScatter(group, sequence, call, progress);
    case CallKind::kAllGather:
      return AllGather(group, call, progress);
    case CallKind::kAllToAllV:
      return AllToAllV(group, sequence, call, progress);
    case CallKind::kBroadcast:
      return Broadcast(group, call, progress);
    case CallKind::kBarrier:
      SWITCHYARD_RETURN_IF_MPI_ERROR(
          MPI_Ibarrier(group.comm, progress.requests.Add()));
      return absl::OkStatus();
    case CallKind::kSplit:
      return Split(group, call, progress);
  }
  return absl::OkStatus();
}

void FinishMpiCall(const MpiGroup& group, const Call& call,
                   const MpiProgress& progress) {
  if (call.kind != CallKind::kReduceScatter) return;
  Combine(call.dtype, call.op, progress.parts, call.recv,
          call.counts[group.rank]);
}

}  // namespace switchyard::comm
