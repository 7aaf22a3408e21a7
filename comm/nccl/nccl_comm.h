// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A communicator of NCCL that does not block: whoever calls asks until NCCL has
// taken the call, or the deadline has passed. Internal to comm/nccl.
#ifndef SWITCHYARD_COMM_NCCL_NCCL_COMM_H_
#define SWITCHYARD_COMM_NCCL_NCCL_COMM_H_

#include <nccl.h>

#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace switchyard::comm {

// Names the call and gives NCCL's texts.
absl::Status NcclStatus(ncclResult_t result, const char* call, ncclComm_t comm);

class NcclComm {
 public:
  // Blocks that a kernel of one has at most: three groups fit on the 108
  // multiprocessors of an A100 beside each other, and it is what NCCL takes on
  // an H100. A caller's own may have as many as NCCL ever takes.
  static constexpr int kMostBlocks = 32;
  static constexpr int kMostBorrowedBlocks = 64;

  // Asked at most once a second while NCCL waits for other ranks: an error if
  // it does so in vain.
  using Look = absl::FunctionRef<absl::Status()>;

  // Collective calls.
  static absl::StatusOr<std::unique_ptr<NcclComm>> Create(
      const ncclUniqueId& id, int rank, int size, double timeout_seconds);
  absl::StatusOr<std::unique_ptr<NcclComm>> Split(int color, int key,
                                                  Look look) const;
  // The caller's: not destroyed here.
  static std::unique_ptr<NcclComm> Borrow(ncclComm_t comm,
                                          double timeout_seconds);
  ~NcclComm();
  NcclComm(const NcclComm&) = delete;
  NcclComm& operator=(const NcclComm&) = delete;

  ncclComm_t get() const { return comm_; }
  int most_blocks() const { return owned_ ? kMostBlocks : kMostBorrowedBlocks; }
  // `result` of `call` on it: waits until NCCL has taken the call, so that
  // what it enqueues is in its stream. Not aborted.
  absl::Status Taken(ncclResult_t result, const char* call, Look look) const;
  // An error of an earlier call.
  absl::Status Health() const;
  // For whoever aborts it, which destroys it; null if that was done.
  ncclComm_t TakeToAbort() { return std::exchange(comm_, nullptr); }

 private:
  NcclComm(double timeout_seconds, bool owned)
      : timeout_seconds_(timeout_seconds), owned_(owned) {}
  // `comm` was not made in time. NCCL may still set a handle that is not set:
  // its memory is not freed.
  static absl::Status GiveUp(std::unique_ptr<NcclComm> comm,
                             const absl::Status& status);

  ncclComm_t comm_ = nullptr;  // null: aborted
  const double timeout_seconds_;
  const bool owned_;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NCCL_NCCL_COMM_H_
