// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A program under mpirun that starts and ends MPI itself.
#include <mpi.h>

#include "switchyard/tests/conformance/mpi_main.h"

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  // Open MPI reports errors of non-blocking collectives to the handler of
  // MPI_COMM_WORLD, which is the host's: the default ends the job.
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  const int result = switchyard::comm::RunTestsOnAllRanks(argc, argv);
  MPI_Finalize();
  return result;
}
