// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/nccl/nccl_calls.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "switchyard/base/check.h"
#include "switchyard/base/cuda/cuda_check.h"
#include "switchyard/comm/block_matching.h"
#include "switchyard/comm/failure.h"
#include "switchyard/comm/nccl/nccl_comm.h"

namespace switchyard::comm {
namespace {

ncclDataType_t TypeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return ncclFloat32;
    case DType::kBFloat16:
      return ncclBfloat16;
    case DType::kFloat64:
      return ncclFloat64;
    case DType::kInt32:
      return ncclInt32;
    case DType::kInt64:
      return ncclInt64;
    case DType::kUInt8:
      return ncclUint8;
  }
  return ncclUint8;
}

ncclRedOp_t OperationOf(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return ncclSum;
    case ReduceOp::kMin:
      return ncclMin;
    case ReduceOp::kMax:
      return ncclMax;
  }
  return ncclSum;
}

size_t Size(int64_t count) { return static_cast<size_t>(count); }

bool AllEqual(const std::vector<int64_t>& counts) {
  return std::adjacent_find(counts.begin(), counts.end(),
                            std::not_equal_to<>()) == counts.end();
}

// NCCL may go on with a call, of a group of calls as well.
bool IsGood(ncclResult_t result) {
  return result == ncclSuccess || result == ncclInProgress;
}

// Calls each(rank, count, offset in bytes) inside a group of NCCL calls, for
// every rank that has a part.
template <typename Each>
ncclResult_t ForEachPart(const Call& call, const Each& each) {
  ncclResult_t result = ncclGroupStart();
  int64_t offset = 0;
  for (size_t r = 0; r < call.counts.size() && IsGood(result); ++r) {
    if (call.counts[r] > 0) {
      result = each(static_cast<int>(r), Size(call.counts[r]), offset);
    }
    offset += call.counts[r] * call.element_bytes();
  }
  const ncclResult_t ended = ncclGroupEnd();
  return IsGood(result) ? ended : result;
}

// NCCL's own takes equal parts only; others are a reduction to each rank.
ncclResult_t ReduceScatter(const NcclGroup& group, const Call& call) {
  const ncclDataType_t type = TypeOf(call.dtype);
  const ncclRedOp_t op = OperationOf(call.op);
  if (AllEqual(call.counts)) {
    return ncclReduceScatter(call.send, call.recv, Size(call.counts[0]), type,
                             op, group.comm, group.stream);
  }
  return ForEachPart(call, [&](int rank, size_t count, int64_t offset) {
    return ncclReduce(call.send + offset,
                      rank == group.rank ? call.recv : nullptr, count, type, op,
                      rank, group.comm, group.stream);
  });
}

ncclResult_t AllGather(const NcclGroup& group, const Call& call) {
  const ncclDataType_t type = TypeOf(call.dtype);
  if (AllEqual(call.counts)) {
    return ncclAllGather(call.send, call.recv, Size(call.counts[0]), type,
                         group.comm, group.stream);
  }
  return ForEachPart(call, [&](int rank, size_t count, int64_t offset) {
    return ncclBroadcast(rank == group.rank ? call.send : nullptr,
                         call.recv + offset, count, type, rank, group.comm,
                         group.stream);
  });
}

// NCCL matches what two ranks send each other in one group in the order of the
// calls, as our blocks are matched.
ncclResult_t AllToAllV(const NcclGroup& group, const Call& call) {
  const ncclDataType_t type = TypeOf(call.dtype);
  const int64_t bytes = call.element_bytes();
  ncclResult_t result = ncclGroupStart();
  for (const Block& block : call.send_blocks) {
    if (block.count == 0 || block.peer == group.rank) continue;
    if (!IsGood(result)) break;
    result = ncclSend(call.send + block.offset * bytes, Size(block.count), type,
                      block.peer, group.comm, group.stream);
  }
  for (const Block& block : call.recv_blocks) {
    if (block.count == 0 || block.peer == group.rank) continue;
    if (!IsGood(result)) break;
    result = ncclRecv(call.recv + block.offset * bytes, Size(block.count), type,
                      block.peer, group.comm, group.stream);
  }
  const ncclResult_t ended = ncclGroupEnd();
  return IsGood(result) ? ended : result;
}

// What stays on the rank is copied.
bool CopyOwn(const NcclGroup& group, const Call& call) {
  const int64_t bytes = call.element_bytes();
  return MatchBlocks(
      call.send_blocks, group.rank, call.recv_blocks, group.rank,
      [&](const Block& send, const Block& recv) {
        SWITCHYARD_CUDA_CHECK(cudaMemcpyAsync(
            call.recv + recv.offset * bytes, call.send + send.offset * bytes,
            Size(send.count * bytes), cudaMemcpyDeviceToDevice, group.stream));
      });
}

ncclResult_t Enqueue(const NcclGroup& group, const Call& call) {
  const ncclDataType_t type = TypeOf(call.dtype);
  switch (call.kind) {
    case CallKind::kAllReduce:
      return ncclAllReduce(call.recv, call.recv, Size(call.count), type,
                           OperationOf(call.op), group.comm, group.stream);
    case CallKind::kReduceScatter:
      return ReduceScatter(group, call);
    case CallKind::kAllGather:
      return AllGather(group, call);
    case CallKind::kAllToAllV:
      return AllToAllV(group, call);
    case CallKind::kBroadcast:
      return ncclBroadcast(call.recv, call.recv, Size(call.count), type,
                           call.root, group.comm, group.stream);
    case CallKind::kBarrier:
    case CallKind::kSplit:
      break;  // they have no buffers
  }
  SWITCHYARD_CHECK(false) << NameOf(call.kind) << " on a device";
  return ncclInternalError;
}

}  // namespace

absl::Status EnqueueNcclCall(const NcclGroup& group, const Call& call,
                             ncclResult_t& result) {
  if (call.kind == CallKind::kAllToAllV && !CopyOwn(group, call)) {
    return MismatchError();
  }
  result = Enqueue(group, call);
  return absl::OkStatus();
}

}  // namespace switchyard::comm
