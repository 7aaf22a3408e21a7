# shellcheck shell=bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# What launch/gpu_check.sh checks, a function each. It reads this file, and sets
# BUILD, PRESET, QUICK, RANKS, TEXT, PEAK and LOGS before.
#
# A check runs its commands by `run`, which shows them in its log; lines that it
# prints behind "= " are its figures.
run() {
  echo "+ $*"
  "$@"
}

build() {
  run cmake --preset "$PRESET" -DSWITCHYARD_BENCHMARKS=ON &&
    run cmake --build --preset "$PRESET" --parallel "${SWITCHYARD_JOBS:-$(nproc)}"
}

# The tests that run on a GPU; in a hurry those of two operators.
operator_tests() {
  local some=()
  if [[ -n $QUICK ]]; then some=(-R '^(fixed_point|positions)_test_cuda$'); fi
  run ctest --test-dir "$BUILD" -L gpu --no-tests=error --output-on-failure \
    "${some[@]}" || return
  echo "= $(ctest --test-dir "$BUILD" -L gpu -N "${some[@]}" | tail -1)"
}

# sanitize TOOL: the programs of the operators' tests under compute-sanitizer.
# To have run none is no success.
sanitize() {
  local name program programs=0 status=0
  while read -r name; do
    program=$BUILD/tests/unit/kernels/$name
    if [[ ! -x $program ]]; then continue; fi
    programs=$((programs + 1))
    if ! run env SWITCHYARD_TEST_DEVICE=cuda compute-sanitizer --tool "$1" \
      --error-exitcode 9 "$program" --gtest_filter='-*Death*'; then
      echo "= $1 complains about $name"
      status=1
    fi
  done < <(ctest --test-dir "$BUILD" -L gpu -N | sed -n 's/.*: \(.*\)_cuda$/\1/p')
  echo "= $programs programs"
  if [[ $programs -eq 0 ]]; then
    echo "= expected operators' tests in $BUILD/tests/unit/kernels, found none;" \
      "build with -DSWITCHYARD_TESTS=ON"
    status=1
  fi
  return $status
}

# train NAME RANKS flags...: a run into the folder NAME of the logs.
train() {
  rm -rf "${LOGS:?}/$1"
  run launch/mpirun.sh -n "$2" "$BUILD/switchyard" train --data "$TEXT" \
    --out "$LOGS/$1" --layer_metrics_every 0 --lr 1e-3 --seed 1 "${@:3}"
}

# Step, loss and norm of the gradient of a run, as they are written.
losses() {
  sed -n 's/.*"step": *\([0-9]*\).*"loss": *\([^,}]*\).*"grad_norm": *\([^,}]*\).*/\1 \2 \3/p' \
    "$LOGS/$1/metrics.jsonl"
}

# compare A B TOLERANCE: the largest relative differences of two runs' losses,
# and of norms, which may be ten times as large, step by step.
compare() {
  paste -d ' ' <(losses "$1") <(losses "$2") | awk -v most="$3" '
    function difference(a, b) { return (a > b ? a - b : b - a) / (b > 0 ? b : 1) }
    NF != 6 || $1 != $4 { print "= steps differ, line " NR; bad = 1; exit }
    /null/ { print "= not finite at step " $1; bad = 1; exit }
    {
      l = difference($2, $5); n = difference($3, $6)
      if (NR == 1) printf "= step 1: loss %.1e, norm %.1e\n", l, n
      if (l > loss) { loss = l; loss_at = $1 }
      if (n > norm) { norm = n; norm_at = $1 }
    }
    END {
      if (NR == 0) { print "= no steps"; exit 1 }
      printf "= largest relative difference in %d steps: loss %.1e", NR, loss
      printf " (step %d), norm %.1e (step %d); ", loss_at, norm, norm_at
      printf "at most %g and %g are expected\n", most, 10 * most
      exit bad || loss > most || norm > 10 * most
    }'
}

# same A B: not a bit differs.
same() {
  if [[ -n $(losses "$1") && $(losses "$1") == "$(losses "$2")" ]]; then
    echo "= losses and norms are the same to the last bit"
  else
    echo "= losses or norms differ: $(compare "$1" "$2" 0 | tail -1 | cut -c 3-)"
    return 1
  fi
}

# against_cpu NAME TOLERANCE flags...: one run on each device.
against_cpu() {
  train "$1-cpu" "$RANKS" --device cpu "${@:3}" &&
    train "$1-cuda" "$RANKS" --device cuda "${@:3}" &&
    compare "$1-cuda" "$1-cpu" "$2"
}

rerun() {
  train again "$RANKS" --device cuda "$@" && same again dropless-cuda
}

# Sums of integers: the same bits on any number of ranks, if cuBLAS gives the
# same product the same bits on every rank.
layouts() {
  train layout-all "$RANKS" --device cuda --determinism layout "$@" &&
    train layout-one 1 --device cuda --determinism layout "$@" &&
    same layout-all layout-one
}

bandwidth() {
  run launch/mpirun.sh -n "$RANKS" "$BUILD/bench/all_to_all_bench" \
    --device cuda "$@" | sed 's/^\([^+]\)/= \1/'
}

# A model of 3.0 billion parameters, 0.9 billion of them active.
larger_model() {
  mkdir -p "$LOGS/model"
  sed -e 's/"hidden_size": *[0-9]*/"hidden_size": 2048/' \
    -e 's/"intermediate_size": *[0-9]*/"intermediate_size": 7168/' \
    -e 's/"num_hidden_layers": *[0-9]*/"num_hidden_layers": 8/' \
    -e 's/"num_attention_heads": *[0-9]*/"num_attention_heads": 16/' \
    -e 's/"num_key_value_heads": *[0-9]*/"num_key_value_heads": 4/' \
    examples/models/mixtral-8x7b/config.json >"$LOGS/model/config.json"
}

# throughput flags...: the median of the steps behind the first half.
throughput() {
  local flops
  flops=$("$BUILD/switchyard" train --dry_run --ranks "$RANKS" "$@" |
    sed -n 's/ *FLOPs per token *\([0-9,]*\).*/\1/p' | tr -d ,) &&
    train throughput "$RANKS" --device cuda "$@" &&
    sed -n 's/.*"tokens_per_second": *\([^,}]*\).*/\1/p' \
      "$LOGS/throughput/metrics.jsonl" | awk '{ v[NR] = $1 }
        END { for (i = int(NR / 2) + 1; i <= NR; ++i) print v[i] }' |
    sort -g | awk -v flops="$flops" -v ranks="$RANKS" -v peak="$PEAK" '
      { v[NR] = $1 }
      END {
        if (NR == 0) exit 1
        rate = v[int((NR + 1) / 2)]
        printf "= %.0f tokens/s, %.0f a rank; %.1f TFLOP/s a rank", rate,
          rate / ranks, rate / ranks * flops / 1e12
        if (peak > 0) printf ", %.1f %% of %s", rate / ranks * flops / 1e10 / peak, peak
        print ""
      }'
}
