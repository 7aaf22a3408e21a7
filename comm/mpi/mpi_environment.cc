// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/mpi_environment.h"

#include <mpi.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "switchyard/base/status.h"
#include "switchyard/comm/mpi/launcher.h"
#include "switchyard/comm/mpi/mpi_failure.h"
#include "switchyard/comm/mpi/mpi_status.h"
#include "switchyard/comm/mpi/mpi_world.h"
#include "switchyard/comm/mpi/wait_clock.h"

namespace switchyard::comm {
namespace {

std::atomic<bool> mpi_has_failed{false};

// MPI_Finalize waits for all ranks too, but without a deadline, and Open MPI's
// mpirun may hang itself if a rank dies while another is in there.
bool AllRanksArrive(double timeout_seconds) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  WaitClock clock(timeout_seconds);
  for (;;) {
    int done = 0;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) return true;
    if (clock.Look() == WaitClock::kLate) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

const char* Lookup(const char* name) { return std::getenv(name); }

}  // namespace

void NoteMpiFailure() { mpi_has_failed = true; }
bool MpiHasFailed() { return mpi_has_failed; }

absl::StatusOr<std::unique_ptr<MpiEnvironment>> MpiEnvironment::Start(
    double timeout_seconds) {
  int finalized = 0;
  int initialized = 0;
  MPI_Finalized(&finalized);
  MPI_Initialized(&initialized);
  if (finalized != 0) {
    return absl::FailedPreconditionError(
        "MPI was finalised in this process and cannot start again; keep one "
        "MpiEnvironment until the last communicator is gone");
  }
  if (initialized == 0) {
    SWITCHYARD_RETURN_IF_ERROR(CheckLauncher(Lookup));
    int provided = 0;
    SWITCHYARD_RETURN_IF_MPI_ERROR(
        MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
  }
  // From here on its destructor undoes what was started.
  std::unique_ptr<MpiEnvironment> environment = std::unique_ptr<MpiEnvironment>(
      new MpiEnvironment(initialized == 0, timeout_seconds));
  SWITCHYARD_RETURN_IF_ERROR(CheckMpiThread());
  int world_size = 0;
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Comm_size(MPI_COMM_WORLD, &world_size));
  SWITCHYARD_RETURN_IF_ERROR(CheckWorldSize(world_size, Lookup));
  return environment;
}

MpiEnvironment::~MpiEnvironment() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!started_ || finalized != 0 || MpiHasFailed()) return;
  if (AllRanksArrive(timeout_seconds_)) MPI_Finalize();
}

}  // namespace switchyard::comm
