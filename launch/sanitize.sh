#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Tests under sanitizers, on top of launch/test.sh:
#
#   launch/sanitize.sh [asan] [tsan]        both if none is named
#
# asan: AddressSanitizer and UndefinedBehaviorSanitizer over all tests that need
# no mpirun (Open MPI's own leaks would drown the report).
# tsan: ThreadSanitizer over the communicator whose ranks are threads. OpenMP's
# runtime is not instrumented, so operators are left out.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ $# -eq 0 ]]; then set -- asan tsan; fi
launch/install_dependencies.sh

for preset in "$@"; do
  case $preset in
    asan) SELECTION=(--label-exclude mpi) ;;
    tsan) SELECTION=(--tests-regex '^(comm_|conformance_local)' --label-exclude
      mpi) ;;
    *)
      echo "launch/sanitize.sh: expected asan or tsan, found '$preset';" \
        "name one of them" >&2
      exit 1
      ;;
  esac
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error \
    "${SELECTION[@]}"
done
