// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/mpi_environment.h"

#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "switchyard/base/status.h"
#include "switchyard/comm/mpi/launcher.h"
#include "switchyard/comm/mpi/mpi_failure.h"
#include "switchyard/comm/mpi/mpi_status.h"
#include "switchyard/comm/mpi/mpi_world.h"
#include "switchyard/comm/mpi/wait_for_all.h"

namespace switchyard::comm {
namespace {

// MPI_Finalize waits for all ranks too, but without a deadline, and Open MPI's
// mpirun may hang itself if a rank dies while another is in there.
absl::Status AllRanksArrive(double timeout_seconds) {
  MPI_Request request = MPI_REQUEST_NULL;
  SWITCHYARD_RETURN_IF_MPI_ERROR(MPI_Ibarrier(MPI_COMM_WORLD, &request));
  return WaitForAll(request, timeout_seconds);
}

const char* Lookup(const char* name) { return std::getenv(name); }

}  // namespace

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
    // Open MPI tells errors of non-blocking collectives to the handler of
    // MPI_COMM_WORLD, whatever their communicator's: by default it would end
    // the job before there is a report.
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
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
  const absl::Status status = AllRanksArrive(timeout_seconds_);
  if (status.ok()) {
    MPI_Finalize();
    return;
  }
  std::fprintf(stderr,
               "switchyard: this rank is done, but %s. MPI is not finalised, "
               "so that the launcher ends the job\n",
               std::string(status.message()).c_str());
}

}  // namespace switchyard::comm
