// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/mpi_environment.h"

#include <mpi.h>

#include <atomic>
#include <cstdlib>

#include "switchyard/base/status.h"
#include "switchyard/comm/mpi/launcher.h"
#include "switchyard/comm/mpi/mpi_failure.h"
#include "switchyard/comm/mpi/mpi_status.h"
#include "switchyard/comm/mpi/mpi_world.h"

namespace switchyard::comm {
namespace {

std::atomic<bool> mpi_has_failed{false};

const char* Lookup(const char* name) { return std::getenv(name); }

}  // namespace

void NoteMpiFailure() { mpi_has_failed = true; }
bool MpiHasFailed() { return mpi_has_failed; }

absl::StatusOr<std::unique_ptr<MpiEnvironment>> MpiEnvironment::Start() {
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
  std::unique_ptr<MpiEnvironment> environment =
      std::unique_ptr<MpiEnvironment>(new MpiEnvironment(initialized == 0));
  SWITCHYARD_RETURN_IF_ERROR(CheckMpiThread());
  int world_size = 0;
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Comm_size(MPI_COMM_WORLD, &world_size));
  SWITCHYARD_RETURN_IF_ERROR(CheckWorldSize(world_size, Lookup));
  return environment;
}

MpiEnvironment::~MpiEnvironment() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (started_ && finalized == 0 && !MpiHasFailed()) MPI_Finalize();
}

}  // namespace switchyard::comm
