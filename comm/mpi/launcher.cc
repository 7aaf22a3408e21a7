// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/mpi/launcher.h"

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard::comm {
namespace {

// What launchers say about the number of ranks they started.
struct SizeVariable {
  const char* name;
  const char* launcher;
};
constexpr SizeVariable kSizeVariables[] = {
    {"OMPI_COMM_WORLD_SIZE", "an Open MPI mpirun"},
    {"PMI_SIZE", "an MPICH or Intel MPI mpirun, or srun --mpi=pmi2"},
    {"MPI_LOCALNRANKS", "an MPICH or Intel MPI mpirun"},
    {"MV2_COMM_WORLD_SIZE", "an MVAPICH mpirun"},
};

// Of these, any shows that a rank can find its peers.
constexpr const char* kRankVariables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK",
                                          "PMI_RANK", "MPI_LOCALRANKID",
                                          "MV2_COMM_WORLD_RANK"};

int IntegerOf(const char* value) {
  int number = 0;
  return value != nullptr && absl::SimpleAtoi(value, &number) ? number : 0;
}

bool HasRankVariable(const EnvironmentLookup& lookup) {
  for (const char* name : kRankVariables) {
    if (lookup(name) != nullptr) return true;
  }
  return false;
}

// Tasks of the srun step that this process is in; 0 outside one. A batch script
// is not a step, though it sees SLURM_NTASKS.
int SlurmStepTasks(const EnvironmentLookup& lookup) {
  if (lookup("SLURM_STEP_ID") == nullptr) return 0;
  return IntegerOf(lookup("SLURM_STEP_NUM_TASKS"));
}

}  // namespace

bool StartedByLauncher(const EnvironmentLookup& lookup) {
  return HasRankVariable(lookup) || SlurmStepTasks(lookup) > 1;
}

bool StartedByLauncher() {
  return StartedByLauncher([](const char* name) { return std::getenv(name); });
}

absl::Status CheckLauncher(const EnvironmentLookup& lookup) {
  const int tasks = SlurmStepTasks(lookup);
  if (tasks <= 1 || HasRankVariable(lookup)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "srun started ", tasks,
      " tasks without MPI support, so each would run alone; use srun "
      "--mpi=pmix, or mpirun inside the allocation"));
}

absl::Status CheckWorldSize(int world_size, const EnvironmentLookup& lookup) {
  if (world_size > 1) return absl::OkStatus();
  for (const SizeVariable& variable : kSizeVariables) {
    const int size = IntegerOf(lookup(variable.name));
    if (size <= 1) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        variable.launcher, " started ", size, " processes (", variable.name,
        "), but this program's MPI sees one rank, so each would run alone; use "
        "the mpirun of the MPI that the program was built with"));
  }
  if (IntegerOf(lookup("PMIX_RANK")) > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a launcher started this process as rank ", lookup("PMIX_RANK"),
        " (PMIX_RANK), but this program's MPI sees one rank, so each would run "
        "alone; use the mpirun of the MPI that the program was built with"));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::comm
