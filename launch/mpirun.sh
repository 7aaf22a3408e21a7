#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Starts R ranks on this machine, or in a Slurm allocation, with what Open MPI
# needs here:
#
#   launch/mpirun.sh -n R program args...
#
# Every argument goes to mpirun. Nothing that the environment sets already is
# changed. Open MPI 5 reads other names for the launcher's settings, so both are
# set; each version ignores the other's.
set -euo pipefail

MPIRUN=${SWITCHYARD_MPIRUN:-mpirun}
if ! command -v "$MPIRUN" >/dev/null; then
  echo "$(basename "$0"): '$MPIRUN' was not found; install Open MPI (Debian:" \
    "openmpi-bin) or set SWITCHYARD_MPIRUN to its mpirun" >&2
  exit 127
fi

# set_default NAME VALUE
set_default() {
  if [[ -z ${!1+set} ]]; then export "$1=$2"; fi
}

# Containers and quick trials often run as root; mpirun refuses it otherwise.
if [[ $(id -u) -eq 0 ]]; then
  set_default OMPI_ALLOW_RUN_AS_ROOT 1
  set_default OMPI_ALLOW_RUN_AS_ROOT_CONFIRM 1
  set_default PRTE_ALLOW_RUN_AS_ROOT 1
  set_default PRTE_ALLOW_RUN_AS_ROOT_CONFIRM 1
fi

# More ranks than cores are slow, not wrong: tests run 7 ranks on 2 cores.
set_default OMPI_MCA_rmaps_base_oversubscribe 1
set_default PRTE_MCA_rmaps_default_mapping_policy :oversubscribe

# A rank that waits gives its core away.
set_default OMPI_MCA_mpi_yield_when_idle 1
set_default OMP_WAIT_POLICY passive

# Unbound: with its default binding, each of two ranks has one core, and the
# threads of a rank share it.
set_default OMPI_MCA_hwloc_base_binding_policy none
set_default PRTE_MCA_hwloc_default_binding_policy none

exec "$MPIRUN" "$@"
