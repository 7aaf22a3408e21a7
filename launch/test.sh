#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing, builds everything and runs every test:
#
#   launch/test.sh [ctest options]      such as -R attention
#
# Three builds: for the CPU; with an emulated GPU, on which what belongs to GPUs
# is tested; and, where nvcc is, for real ones, whose kernels' registers are
# compared with a table.
set -euo pipefail

unset CDPATH
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
launch/install_dependencies.sh

# The builds have most sources in common: what a compiler cache holds of one
# serves the others.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1
configure() {
  cmake --preset "$1" "-DSWITCHYARD_INCLUDE_FOLDER=$PWD/build/include" >/dev/null
}

configure release
cmake --build --preset release
ctest --preset release --parallel "$(nproc)" "$@"

configure emulated
cmake --build --preset emulated --target gpu_tests
ctest --preset emulated --parallel "$(nproc)" "$@"

if command -v nvcc >/dev/null; then
  configure cuda
  cmake --build --preset cuda --target switchyard
  tests/gpu/kernel_resources.sh build/cuda
else
  echo "nvcc was not found: nothing was built for real GPUs"
fi
