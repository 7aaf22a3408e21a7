// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// NCCL's calls that move data, and groups of them.
#include <utility>
#include <vector>

#include "nccl/calls.h"
#include "nccl/hub.h"
#include "nccl/reduction.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

thread_local int t_depth = 0;  // of groups
thread_local std::vector<NcclCall> t_group;
thread_local ncclResult_t t_group_error = ncclSuccess;

ncclResult_t CheckComm(ncclComm_t handle, NcclCall& call) {
  Hub& hub = Hub::Get();
  const std::lock_guard lock(hub.mutex());
  call.comm = hub.Find(handle);
  if (call.comm == nullptr) {
    return NcclError(ncclInvalidArgument, "no such communicator");
  }
  Comm& comm = *call.comm;
  if (comm.failed()) return NcclError(comm.state, comm.text);
  if (comm.state == ncclInProgress || comm.finalizing) {
    return NcclError(ncclInvalidUsage,
                     comm.finalizing ? "the communicator was finalized"
                                     : "the communicator is not ready yet");
  }
  call.announcement.comm = comm.id;
  return ncclSuccess;
}

ncclResult_t CheckBuffer(const NcclCall& call, const char* name,
                         const void* address, size_t bytes) {
  if (bytes == 0) return ncclSuccess;
  const std::string problem =
      CheckDeviceRange(address, bytes, call.comm->device);
  if (problem.empty()) return ncclSuccess;
  return NcclError(ncclInvalidArgument,
                   Describe(call.announcement) + " by rank " +
                       std::to_string(call.comm->rank) + ": the " + name +
                       " buffer " + problem);
}

// Buffers are the same, as NCCL means it for each call, or apart.
ncclResult_t CheckOverlap(const NcclCall& call) {
  const size_t own = call.part_bytes() * call.comm->rank;
  const char* in_place = call.recv;
  if (call.announcement.kind == CallKind::kAllGather) in_place += own;
  const char* send = call.send;
  if (call.announcement.kind == CallKind::kReduceScatter) send += own;
  if (call.send_bytes() == 0 || call.recv_bytes() == 0 || send == in_place ||
      call.send + call.send_bytes() <= call.recv ||
      call.recv + call.recv_bytes() <= call.send) {
    return ncclSuccess;
  }
  return NcclError(ncclInvalidArgument,
                   Describe(call.announcement) +
                       ": the buffers overlap and are not in place");
}

ncclResult_t CheckArguments(const NcclCall& call) {
  const Announcement& a = call.announcement;
  const Comm& comm = *call.comm;
  const int partner = IsPointToPoint(a.kind) ? call.peer : a.root;
  if (BytesOf(a.type) == 0 || a.op < ncclSum || a.op > ncclAvg || partner < 0 ||
      partner >= comm.size) {
    return NcclError(ncclInvalidArgument,
                     Describe(a) +
                         ": the type, the operator, the root or the "
                         "peer does not exist");
  }
  if (CheckStream("NCCL", call.stream) != cudaSuccess) {
    return NcclError(ncclUnhandledCudaError,
                     cudaGetErrorString(cudaGetLastError()));
  }
  if (call.stream->device != comm.device) {
    return NcclError(ncclInvalidArgument,
                     Describe(a) + ": a stream of another device");
  }
  if (const auto result =
          CheckBuffer(call, "send", call.send, call.send_bytes());
      result != ncclSuccess) {
    return result;
  }
  if (const auto result =
          CheckBuffer(call, "receive", call.recv, call.recv_bytes());
      result != ncclSuccess) {
    return result;
  }
  return CheckOverlap(call);
}

ncclResult_t Call(NcclCall call, ncclComm_t comm) {
  ncclResult_t result = CheckComm(comm, call);
  if (result == ncclSuccess) result = CheckArguments(call);
  if (t_depth > 0) {
    if (result == ncclSuccess) t_group.push_back(std::move(call));
    if (t_group_error == ncclSuccess) t_group_error = result;
    return result;
  }
  if (result != ncclSuccess) return result;
  return IssueCalls({std::move(call)});
}

NcclCall Make(CallKind kind, const void* send, void* recv, size_t count,
              ncclDataType_t type, cudaStream_t stream) {
  NcclCall call;
  call.announcement.kind = kind;
  call.announcement.count = count;
  call.announcement.type = type;
  call.send = static_cast<const char*>(send);
  call.recv = static_cast<char*>(recv);
  call.stream = stream;
  return call;
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::CallKind;
using switchyard::emulation::Make;
using switchyard::emulation::NcclCall;
using switchyard::emulation::NcclError;
using switchyard::emulation::t_depth;
using switchyard::emulation::t_group;
using switchyard::emulation::t_group_error;

ncclResult_t ncclAllReduce(const void* send, void* recv, size_t count,
                           ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                           cudaStream_t stream) {
  NcclCall call = Make(CallKind::kAllReduce, send, recv, count, type, stream);
  call.announcement.op = op;
  return switchyard::emulation::Call(std::move(call), comm);
}

ncclResult_t ncclReduceScatter(const void* send, void* recv, size_t recv_count,
                               ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t comm, cudaStream_t stream) {
  NcclCall call =
      Make(CallKind::kReduceScatter, send, recv, recv_count, type, stream);
  call.announcement.op = op;
  return switchyard::emulation::Call(std::move(call), comm);
}

ncclResult_t ncclAllGather(const void* send, void* recv, size_t send_count,
                           ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return switchyard::emulation::Call(
      Make(CallKind::kAllGather, send, recv, send_count, type, stream), comm);
}

ncclResult_t ncclBroadcast(const void* send, void* recv, size_t count,
                           ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream) {
  NcclCall call = Make(CallKind::kBroadcast, send, recv, count, type, stream);
  call.announcement.root = root;
  return switchyard::emulation::Call(std::move(call), comm);
}

ncclResult_t ncclReduce(const void* send, void* recv, size_t count,
                        ncclDataType_t type, ncclRedOp_t op, int root,
                        ncclComm_t comm, cudaStream_t stream) {
  NcclCall call = Make(CallKind::kReduce, send, recv, count, type, stream);
  call.announcement.op = op;
  call.announcement.root = root;
  return switchyard::emulation::Call(std::move(call), comm);
}

ncclResult_t ncclSend(const void* send, size_t count, ncclDataType_t type,
                      int peer, ncclComm_t comm, cudaStream_t stream) {
  NcclCall call = Make(CallKind::kSend, send, nullptr, count, type, stream);
  call.peer = peer;
  return switchyard::emulation::Call(std::move(call), comm);
}

ncclResult_t ncclRecv(void* recv, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  NcclCall call = Make(CallKind::kRecv, nullptr, recv, count, type, stream);
  call.peer = peer;
  return switchyard::emulation::Call(std::move(call), comm);
}

ncclResult_t ncclGroupStart() {
  ++t_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (t_depth == 0) return NcclError(ncclInvalidUsage, "no group is open");
  if (--t_depth > 0) return ncclSuccess;
  std::vector<NcclCall> calls = std::exchange(t_group, {});
  const ncclResult_t error = std::exchange(t_group_error, ncclSuccess);
  if (error != ncclSuccess || calls.empty()) return error;
  return switchyard::emulation::IssueCalls(std::move(calls));
}
