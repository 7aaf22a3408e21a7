// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// NCCL's calls that make, look at and end communicators.
#include <cstring>
#include <random>
#include <utility>

#include "nccl/calls.h"
#include "nccl/hub.h"
#include "nccl/start.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

std::shared_ptr<Comm> Find(ncclComm_t handle) {
  const std::lock_guard lock(Hub::Get().mutex());
  return Hub::Get().Find(handle);
}

ncclResult_t NoSuchComm() {
  return NcclError(ncclInvalidArgument, "no such communicator");
}

// Whether its calls return before they are over.
bool IsBlocking(const ncclConfig_t* config) {
  return config == nullptr || config->blocking != 0;
}

ncclResult_t CheckConfig(const ncclConfig_t* config) {
  constexpr ncclConfig_t kFresh = NCCL_CONFIG_INITIALIZER;
  if (config == nullptr ||
      (config->size == kFresh.size && config->magic == kFresh.magic)) {
    return ncclSuccess;
  }
  return NcclError(ncclInvalidArgument,
                   "a configuration that was not made with "
                   "NCCL_CONFIG_INITIALIZER");
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::Comm;
using switchyard::emulation::Find;
using switchyard::emulation::Hub;
using switchyard::emulation::NcclError;
using switchyard::emulation::NoSuchComm;
using switchyard::emulation::UniqueId;

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
  }
  return "unknown result code";
}

const char* ncclGetLastError(ncclComm_t handle) {
  thread_local std::string text;
  text = switchyard::emulation::NcclErrorText();
  if (const auto comm = Find(handle)) {
    const std::lock_guard lock(Hub::Get().mutex());
    if (!comm->text.empty()) text = comm->text;
  }
  return text.c_str();
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static_assert(sizeof(UniqueId) <= sizeof(ncclUniqueId));
  std::random_device random;
  UniqueId made;
  made.number = uint64_t{random()} << 32 | random();
  const std::string& place = Hub::Get().name();
  place.copy(made.place, sizeof made.place - 1);
  *id = {};
  std::memcpy(id->internal, &made, sizeof made);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id,
                              int rank) {
  return ncclCommInitRankConfig(comm, size, id, rank, nullptr);
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* handle, int size,
                                    ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (handle == nullptr || size < 1 || rank < 0 || rank >= size) {
    return NcclError(ncclInvalidArgument, "rank " + std::to_string(rank) +
                                              " of " + std::to_string(size));
  }
  if (const auto result = switchyard::emulation::CheckConfig(config);
      result != ncclSuccess) {
    return result;
  }
  UniqueId unique;
  std::memcpy(&unique, id.internal, sizeof unique);
  auto comm = std::make_shared<Comm>();
  comm->rank = rank;
  comm->size = size;
  comm->device = switchyard::emulation::CurrentDevice();
  *handle = comm->handle();
  return switchyard::emulation::StartFromId(
      comm, unique, switchyard::emulation::IsBlocking(config));
}

ncclResult_t ncclCommSplit(ncclComm_t handle, int color, int key,
                           ncclComm_t* new_handle, ncclConfig_t* config) {
  const auto parent = Find(handle);
  if (parent == nullptr) return NoSuchComm();
  if (new_handle == nullptr || (color < 0 && color != NCCL_SPLIT_NOCOLOR)) {
    return NcclError(ncclInvalidArgument, "color " + std::to_string(color));
  }
  if (const auto result = switchyard::emulation::CheckConfig(config);
      result != ncclSuccess) {
    return result;
  }
  ncclResult_t state = ncclSuccess;
  ncclCommGetAsyncError(handle, &state);
  if (state != ncclSuccess) return NcclError(state, parent->text);
  std::shared_ptr<Comm> comm;
  *new_handle = nullptr;
  if (color != NCCL_SPLIT_NOCOLOR) {
    comm = std::make_shared<Comm>();
    comm->device = parent->device;
  }
  // As NCCL does: who asked without blocking learns from the state that it
  // goes on, and has the new one when it is over.
  const ncclResult_t result = switchyard::emulation::StartFromSplit(
      parent, comm, color, key, switchyard::emulation::IsBlocking(config),
      new_handle);
  return result == ncclInProgress ? ncclSuccess : result;
}

// Calls that were issued go on; the state says when they are over.
ncclResult_t ncclCommFinalize(ncclComm_t handle) {
  const auto comm = Find(handle);
  if (comm == nullptr) return NoSuchComm();
  const std::lock_guard lock(Hub::Get().mutex());
  if (comm->failed()) return NcclError(comm->state, comm->text);
  comm->finalizing = true;
  return comm->outstanding > 0 ? ncclInProgress : ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  const auto comm = Find(handle);
  if (comm == nullptr) return NoSuchComm();
  switchyard::emulation::WaitForCalls(*comm);
  if (comm->failed()) {
    Hub::Get().TellFailure(*comm);
  } else {
    Hub::Get().TellLeft(*comm);
  }
  switchyard::emulation::End(comm);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t handle) {
  const auto comm = Find(handle);
  if (comm == nullptr) return NoSuchComm();
  comm->aborted = true;
  {
    const std::lock_guard lock(Hub::Get().mutex());
    Hub::Get().changed().notify_all();
  }
  switchyard::emulation::WaitForCalls(*comm);
  if (comm->starter.joinable()) comm->starter.join();
  Hub::Get().TellFailure(*comm);
  switchyard::emulation::End(comm);
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* error) {
  const auto comm = Find(handle);
  if (comm == nullptr) return NoSuchComm();
  {
    const std::lock_guard lock(Hub::Get().mutex());
    *error = comm->state;
    if (comm->state == ncclSuccess && comm->finalizing &&
        comm->outstanding > 0) {
      *error = ncclInProgress;
    }
  }
  Hub::Get().TellFailure(*comm);
  return ncclSuccess;
}

ncclResult_t ncclCommCount(ncclComm_t handle, int* count) {
  const auto comm = Find(handle);
  if (comm == nullptr) return NoSuchComm();
  *count = comm->size;
  return ncclSuccess;
}

ncclResult_t ncclCommUserRank(ncclComm_t handle, int* rank) {
  const auto comm = Find(handle);
  if (comm == nullptr) return NoSuchComm();
  *rank = comm->rank;
  return ncclSuccess;
}

ncclResult_t ncclCommCuDevice(ncclComm_t handle, int* device) {
  const auto comm = Find(handle);
  if (comm == nullptr) return NoSuchComm();
  *device = comm->device;
  return ncclSuccess;
}
