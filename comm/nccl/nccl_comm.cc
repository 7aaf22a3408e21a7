// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/nccl/nccl_comm.h"

#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/failure.h"
#include "switchyard/comm/wait_clock.h"

namespace switchyard::comm {
namespace {

ncclConfig_t NonBlocking() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  config.maxCTAs = NcclComm::kMostBlocks;
  return config;
}

// Of a call about which the ledger knows nothing.
absl::Status NoLook() { return absl::OkStatus(); }

}  // namespace

absl::Status NcclStatus(ncclResult_t result, const char* call,
                        ncclComm_t comm) {
  if (result == ncclSuccess) return absl::OkStatus();
  const char* detail = ncclGetLastError(comm);
  return absl::UnavailableError(
      absl::StrCat("failed in ", call, ": ", ncclGetErrorString(result),
                   detail == nullptr || *detail == '\0' ? "" : ", ",
                   detail == nullptr ? "" : detail));
}

absl::StatusOr<std::unique_ptr<NcclComm>> NcclComm::Create(
    const ncclUniqueId& id, int rank, int size, double timeout_seconds) {
  auto result = absl::WrapUnique(new NcclComm(timeout_seconds, true));
  ncclConfig_t config = NonBlocking();
  const ncclResult_t begun =
      ncclCommInitRankConfig(&result->comm_, size, id, rank, &config);
  const absl::Status taken =
      result->Taken(begun, "ncclCommInitRankConfig", NoLook);
  if (!taken.ok()) return GiveUp(std::move(result), taken);
  return result;
}

absl::StatusOr<std::unique_ptr<NcclComm>> NcclComm::Split(int color, int key,
                                                          Look look) const {
  auto result = absl::WrapUnique(new NcclComm(timeout_seconds_, true));
  ncclConfig_t config = NonBlocking();
  const ncclResult_t begun =
      ncclCommSplit(comm_, color, key, &result->comm_, &config);
  // It is this communicator's call, and the new one begins in it.
  const absl::Status taken = Taken(begun, "ncclCommSplit", look);
  if (!taken.ok()) return GiveUp(std::move(result), taken);
  if (result->comm_ == nullptr) {
    return absl::UnavailableError("failed in ncclCommSplit: no communicator");
  }
  SWITCHYARD_RETURN_IF_ERROR(result->Taken(ncclSuccess, "ncclCommSplit", look));
  return result;
}

absl::Status NcclComm::GiveUp(std::unique_ptr<NcclComm> comm,
                              const absl::Status& status) {
  if (comm->comm_ == nullptr) static_cast<void>(comm.release());
  return status;
}

std::unique_ptr<NcclComm> NcclComm::Borrow(ncclComm_t comm,
                                           double timeout_seconds) {
  auto result = absl::WrapUnique(new NcclComm(timeout_seconds, false));
  result->comm_ = comm;
  return result;
}

NcclComm::~NcclComm() {
  if (comm_ == nullptr || !owned_) return;
  // Ranks leave together; one that fails to has been abandoned.
  if (Taken(ncclCommFinalize(comm_), "ncclCommFinalize", NoLook).ok()) {
    ncclCommDestroy(comm_);
  } else {
    ncclCommAbort(comm_);
  }
}

absl::Status NcclComm::Taken(ncclResult_t result, const char* call,
                             Look look) const {
  WaitClock clock(timeout_seconds_);
  // Some calls, ncclCommSplit among them, say that all is well and go on.
  if (result == ncclSuccess) result = ncclInProgress;
  while (result == ncclInProgress) {
    const WaitClock::Advice advice = clock.Look();
    if (advice == WaitClock::kLate) return DeadlineError(timeout_seconds_);
    if (advice == WaitClock::kLookAround) SWITCHYARD_RETURN_IF_ERROR(look());
    ncclResult_t state = ncclSuccess;
    result = ncclCommGetAsyncError(comm_, &state);
    if (result == ncclSuccess) result = state;
    if (result == ncclInProgress) std::this_thread::yield();
  }
  return NcclStatus(result, call, comm_);
}

absl::Status NcclComm::Health() const {
  if (comm_ == nullptr) return absl::UnavailableError("was aborted");
  ncclResult_t state = ncclSuccess;
  const ncclResult_t result = ncclCommGetAsyncError(comm_, &state);
  if (result == ncclSuccess && state == ncclInProgress) return absl::OkStatus();
  return NcclStatus(result == ncclSuccess ? state : result, "NCCL", comm_);
}

}  // namespace switchyard::comm
