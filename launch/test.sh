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
launch/install_dependencies.sh --with-ccache

# The builds have most sources in common: what a compiler cache holds of one
# serves the others.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1

cmake --preset release >/dev/null
cmake --build --preset release
ctest --preset release --parallel "$(nproc)" "$@"

cmake --preset emulated >/dev/null
cmake --build --preset emulated --target gpu_tests
ctest --preset emulated --parallel "$(nproc)" "$@"

if command -v nvcc >/dev/null; then
  cmake --preset cuda >/dev/null
  cmake --build --preset cuda --target switchyard
  tests/gpu/kernel_resources.sh build/cuda
else
  echo "nvcc was not found: nothing was built for real GPUs"
fi
