#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds and runs the tests under sanitizers:
#
#   launch/sanitize.sh            all of these
#   launch/sanitize.sh address    unit tests: AddressSanitizer and
#                                 UndefinedBehaviorSanitizer
#   launch/sanitize.sh thread     the thread communicator: ThreadSanitizer
#   launch/sanitize.sh gpu        the CUDA path on the emulated GPU: operators,
#                                 collectives on 1 to 4 ranks, training steps of
#                                 two ranks: as 'address'; the race checker is
#                                 part of the tests of the preset emulated
#
# OpenMP runs one thread under ThreadSanitizer: GCC's OpenMP library is not
# instrumented, so its barriers look like races.
set -euo pipefail

unset CDPATH
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
JOBS=${SWITCHYARD_JOBS:-$(nproc)}

# build PRESET TARGET...
build() {
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" --parallel "$JOBS" --target "${@:2}"
}

# Memory that libraries keep until the process ends is not a leak of ours. A
# test asks for more than there is.
address_options() {
  export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:allocator_may_return_null=1}
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
}

run_address() {
  build asan tests/unit/all conformance_local_test
  address_options
  (cd build/asan/tests/unit && ctest --output-on-failure)
  (cd build/asan/tests/conformance &&
    ctest --output-on-failure -R conformance_local)
}

run_gpu() {
  build emulated-asan switchyard tests/unit/base/all tests/unit/kernels/all \
    tests/emulation/all tests/conformance/all gpu_step_test
  address_options
  # Lost ranks are missed after seconds, which a slow build may take itself.
  ctest --test-dir build/emulated-asan --output-on-failure --parallel "$JOBS" \
    -E '^lost_rank' \
    -R '_test_cuda$|^base_test$|^emulation_(process_)?test$|^gpu_step_test$'
  ctest --test-dir build/emulated-asan --output-on-failure \
    -R '^conformance_gpu|^nccl_'
}

run_thread() {
  build tsan conformance_local_test comm_test
  export OMP_NUM_THREADS=1
  export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}
  (cd build/tsan/tests/conformance &&
    ctest --output-on-failure -R conformance_local)
  (cd build/tsan/tests/unit/comm && ctest --output-on-failure -R comm_test)
}

case ${1:-all} in
  address) run_address ;;
  thread) run_thread ;;
  gpu) run_gpu ;;
  all)
    run_address
    run_thread
    run_gpu
    ;;
  *)
    echo "launch/sanitize.sh: 'address', 'thread' or 'gpu', not '$1'" >&2
    exit 2
    ;;
esac
