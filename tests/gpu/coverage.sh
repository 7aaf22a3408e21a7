#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Whether tests on the emulated GPU execute every line of the CUDA path:
#
#   tests/gpu/coverage.sh            builds, runs the tests, looks
#   tests/gpu/coverage.sh --look     looks at what ran before
#
# A line that none executed is an error, unless not_covered.txt says why.
set -euo pipefail

unset CDPATH
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
JOBS=${SWITCHYARD_JOBS:-$(nproc)}
BUILD=build/emulated-coverage

run_tests() {
  cmake --preset emulated-coverage >/dev/null
  cmake --build --preset emulated-coverage --parallel "$JOBS" --target \
    switchyard tests/unit/base/all tests/unit/kernels/all \
    tests/conformance/all lost_rank_test bad_input_test gpu_step_test
  find $BUILD -name '*.gcda' -delete
  # Operators in the plain order: others and checks execute the same lines.
  ctest --test-dir $BUILD --parallel "$JOBS" --output-on-failure \
    -R '_test_cuda$|^base_test$|^lost_rank_test_cuda$|^gpu_step_test$'
  ctest --test-dir $BUILD --parallel "$JOBS" --output-on-failure \
    -R '^conformance_gpu|^nccl_'
  # Without a GPU.
  $BUILD/tests/failure/bad_input_test --gtest_filter='*.NoGpu'
}

[[ ${1:-} == --look ]] || run_tests
exec tests/gpu/uncovered_lines.py $BUILD tests/gpu/not_covered.txt
