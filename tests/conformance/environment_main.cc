// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A program under mpirun for which Switchyard starts and ends MPI.
#include <cstdio>
#include <cstdlib>

#include "switchyard/comm/mpi/mpi_environment.h"
#include "switchyard/tests/conformance/mpi_main.h"

int main(int argc, char** argv) {
  // Before the tests are named: their names hold the number of ranks.
  const auto environment = switchyard::comm::MpiEnvironment::Start();
  if (!environment.ok()) {
    std::fprintf(stderr, "%s\n", environment.status().ToString().c_str());
    return EXIT_FAILURE;
  }
  return switchyard::comm::RunTestsOnAllRanks(argc, argv);
}
