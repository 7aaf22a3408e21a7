// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/wait_for_all.h"

#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "switchyard/comm/mpi/mpi_failure.h"
#include "switchyard/comm/wait_clock.h"

namespace switchyard::comm {

absl::Status WaitForAll(MPI_Request request, double timeout_seconds) {
  WaitClock clock(timeout_seconds);
  for (;;) {
    int done = 0;
    SWITCHYARD_RETURN_IF_MPI_ERROR(
        MPI_Test(&request, &done, MPI_STATUS_IGNORE));
    if (done != 0) return absl::OkStatus();
    if (clock.Look() == WaitClock::kLate) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const absl::Status failure = absl::DeadlineExceededError(absl::StrCat(
      "not all ranks of the job have come within ", timeout_seconds,
      " s; look for one that has ended, hangs, or needs longer to start"));
  NoteMpiFailure(failure);
  return failure;
}

}  // namespace switchyard::comm
