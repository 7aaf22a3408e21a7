// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Who started this process? Read from the environment variables that launchers
// set, so that a program can tell "alone" from "one of several ranks" before it
// starts MPI, and notice a launcher that does not belong to its MPI.
#ifndef SWITCHYARD_COMM_MPI_LAUNCHER_H_
#define SWITCHYARD_COMM_MPI_LAUNCHER_H_

#include <functional>

#include "absl/status/status.h"

namespace switchyard::comm {

// The value of an environment variable; null if it is not set. Tests pass their
// own.
using EnvironmentLookup = std::function<const char*(const char* name)>;

// True if mpirun or srun started this process as a rank, of one or of several.
// Then MPI must be started; otherwise one rank needs none.
bool StartedByLauncher();
bool StartedByLauncher(const EnvironmentLookup& lookup);

// Before MPI starts: an error if srun started several tasks without telling
// them how to find each other, which MPI would answer by aborting.
absl::Status CheckLauncher(const EnvironmentLookup& lookup);

// After MPI started: an error if MPI_COMM_WORLD has one rank while the launcher
// started several. That happens when a program built with one MPI runs under
// another's mpirun.
absl::Status CheckWorldSize(int world_size, const EnvironmentLookup& lookup);

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_MPI_LAUNCHER_H_
