#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Tests on a GPU, emulated or not, that take longer than launch/test.sh should:
#
#   tests/gpu/longer.sh [BUILD_FOLDER]      build/emulated if none is given
#
# `small` trains; and the tests of layouts, rules and overflow that the CPU
# passes, with ranks that share a GPU: the same bits in every layout. About half
# an hour on two cores.
set -euo pipefail

unset CDPATH
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
BUILD=${1:-build/emulated}
cmake --build "$BUILD" --target gpu_training_test layout_invariance_test \
  router_rules_layout_test overflow_layout_test network_layout_test

"$BUILD/tests/gpu/gpu_training_test" --gtest_also_run_disabled_tests \
  --gtest_filter='*DISABLED*'
export SWITCHYARD_TEST_DEVICE=cuda
for test in layout_invariance router_rules_layout overflow_layout \
  network_layout; do
  "$BUILD/tests/multi_rank/${test}_test"
done
