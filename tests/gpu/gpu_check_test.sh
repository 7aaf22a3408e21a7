#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Whether launch/gpu_check.sh does what it says, as far as that shows without a
# GPU:
#
#   tests/gpu/gpu_check_test.sh passes BUILD   all checks, on the emulated CUDA
#   tests/gpu/gpu_check_test.sh fails BUILD    goes on after one that fails
#   tests/gpu/gpu_check_test.sh no_driver      one sentence
#   tests/gpu/gpu_check_test.sh compares       finds runs that differ
#   tests/gpu/gpu_check_test.sh sanitizes      runs programs, and says how many
set -euo pipefail

unset CDPATH
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
REPORT=$WORK/report.txt

fail() {
  echo "$1" >&2
  exit 1
}
# expect TEXT: a line of the report.
expect() { grep -q -- "$1" "$REPORT" || fail "the report lacks: $1"; }

passes() {
  launch/gpu_check.sh --quick --emulated --build "$1" --out "$REPORT" ||
    { cat "$REPORT".logs/*.log >&2; fail "a check failed"; }
  expect '^Tests of operators and collectives$'
  expect 'Total Tests: 2$'
  expect 'largest relative difference in 2 steps: loss '
  expect 'the same to the last bit'
  expect 'tokens/s, .* TFLOP/s a rank'
  expect '^All [4-9] checks passed'
}

# No run begins without mpirun, and everything else is still checked.
fails() {
  if SWITCHYARD_MPIRUN=$WORK/none launch/gpu_check.sh --quick --emulated \
    --build "$1" --out "$REPORT"; then
    fail "exit status 0 though no rank was started"
  fi
  expect 'result   ok'
  expect 'result   FAILED, exit status 127'
  expect '^[3-9] of [4-9] checks failed'
}

no_driver() {
  local said
  if said=$(SWITCHYARD_NVIDIA_SMI=$WORK/none launch/gpu_check.sh \
    --out "$REPORT" 2>&1); then
    fail "exit status 0 without a driver"
  fi
  [[ $(wc -l <<<"$said") -eq 1 && $said == *"found no driver"* ]] ||
    fail "expected one sentence about the driver, found: $said"
  [[ ! -e $REPORT ]] || fail "a report of nothing"
}

# metrics NAME LOSS...: what a run with these losses leaves.
metrics() {
  local step=0 loss
  mkdir -p "$LOGS/$1"
  for loss in "${@:2}"; do
    step=$((step + 1))
    echo "{\"step\": $step, \"loss\": $loss, \"balance_loss\": 9," \
      "\"grad_norm\": 2.5}"
  done >"$LOGS/$1/metrics.jsonl"
}

compares() {
  LOGS=$WORK
  . launch/gpu_check_steps.sh
  metrics a 5.0 4.0
  metrics equal 5.0 4.0
  metrics near 5.0 4.0003
  metrics far 5.0 4.0005
  metrics short 5.0
  metrics absent 5.0 null
  compare a near 1e-4 || fail "7.5e-5 taken for too much"
  same a equal || fail "equal taken for different"
  ! compare a far 1e-4 || fail "4.0005 taken for 4"
  ! compare far a 1e-4 || fail "4 taken for 4.0005"
  ! compare a short 1e-4 || fail "a missing step went unnoticed"
  ! compare short a 1e-4 || fail "a step too many went unnoticed"
  ! compare a absent 1e-4 || fail "a missing loss went unnoticed"
  ! same a near || fail "near taken for same"
}

# By a compute-sanitizer that complains about programs with "bad" in their name,
# and a ctest that lists two programs and one that nobody built.
sanitizes() {
  BUILD=$WORK
  . launch/gpu_check_steps.sh
  ctest() { printf '  Test #%s_test_cuda\n' '1: good' '2: bad' '3: absent'; }
  mkdir -p "$WORK/bin" "$WORK/tests/unit/kernels"
  printf '#!/bin/sh\ncase "$*" in *bad*) exit 9 ;; esac\n' \
    >"$WORK/bin/compute-sanitizer"
  chmod +x "$WORK/bin/compute-sanitizer"
  PATH=$WORK/bin:$PATH
  program() {
    touch "$WORK/tests/unit/kernels/$1"
    chmod +x "$WORK/tests/unit/kernels/$1"
  }
  ! sanitize memcheck >"$REPORT" || fail "no program taken for success"
  expect '^= 0 programs$'
  program good_test
  sanitize memcheck >"$REPORT" || fail "a good program taken for bad"
  expect '^+ env SWITCHYARD_TEST_DEVICE=cuda .*--tool memcheck .*/good_test '
  expect '^= 1 programs$'
  program bad_test
  ! sanitize memcheck >"$REPORT" || fail "a complaint went unnoticed"
  expect '^= memcheck complains about bad_test$'
  expect '^= 2 programs$'
}

"$@"
