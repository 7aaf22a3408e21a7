// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// GoogleTest under mpirun: every rank runs every test, and all fail if one
// does.
#ifndef SWITCHYARD_TESTS_CONFORMANCE_MPI_MAIN_H_
#define SWITCHYARD_TESTS_CONFORMANCE_MPI_MAIN_H_

namespace switchyard::comm {

// Runs all tests; MPI is up and stays so. Rank 0 prints as usual, the others
// their failures, each line with the rank. The result is the exit code; no test
// at all is a failure.
int RunTestsOnAllRanks(int argc, char** argv);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_TESTS_CONFORMANCE_MPI_MAIN_H_
