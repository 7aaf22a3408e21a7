// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Circumstances under which MPI cannot be used, each in a process of its own:
// prints what Switchyard answers, and fails if it refuses.
//
//   mpi_refusal_program none|single|finalized|foreign|srun
//
// The last two are in the environment that it is started in.
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "switchyard/comm/mpi/mpi_environment.h"

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "none";
  int provided = 0;
  if (mode == "single") {
    MPI_Init_thread(&argc, &argv, MPI_THREAD_SINGLE, &provided);
  }
  if (mode == "finalized") {
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    MPI_Finalize();
  }
  bool refused = false;
  {
    const auto environment = switchyard::comm::MpiEnvironment::Start();
    std::printf("%s\n", environment.status().ToString().c_str());
    refused = !environment.ok();
  }
  if (mode == "single") MPI_Finalize();
  return refused ? EXIT_FAILURE : EXIT_SUCCESS;
}
