#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Checks Switchyard on a machine with NVIDIA GPUs and writes one report:
#
#   launch/gpu_check.sh [options]
#
#   --out FILE      the report (default runs/gpu-check-DATE.txt); what the
#                   checks print goes into FILE.logs
#   --ranks N       ranks of the runs (default: a rank a GPU, at most 8)
#   --quick         few tests and short runs
#   --text FILE     what is trained on (default: the documentation here)
#   --peak TFLOPS   of a GPU in bf16, dense, if the script does not know it
#   --build FOLDER  use this build as it is, instead of building
#   --emulated      on the emulated CUDA: shows that this script works, and
#                   nothing about a GPU; its times mean nothing
#
# A check that fails does not keep the others from running; then the exit status
# is 1. docs/gpu.md says what each check is for.
set -euo pipefail

unset CDPATH
CALLER=$PWD
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

complain() { echo "launch/gpu_check.sh: $1" >&2; }
usage() { sed -n '7,21s/^# \{0,1\}//p' launch/gpu_check.sh; }
# Of a path that is meant from where the caller stands.
path() { (cd "$CALLER" && realpath -m "$1"); }

OUT=runs/gpu-check-$(date +%Y%m%d-%H%M%S).txt
RANKS=
QUICK=
TEXT=
PEAK=
BUILD=
PRESET=${SWITCHYARD_GPU_CHECK_PRESET:-cuda}
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) QUICK=1 ;;
    --emulated) PRESET=emulated ;;
    --help | -h) usage && exit ;;
    --out | --ranks | --text | --peak | --build)
      if [[ $# -lt 2 ]]; then
        complain "expected a value behind $1"
        exit 2
      fi
      case $1 in
        --out) OUT=$(path "$2") ;;
        --ranks) RANKS=$2 ;;
        --text) TEXT=$(path "$2") ;;
        --peak) PEAK=$2 ;;
        --build) BUILD=$(path "$2") ;;
      esac
      shift
      ;;
    *)
      complain "expected an option, found '$1'"
      usage >&2
      exit 2
      ;;
  esac
  shift
done
EMULATED=
if [[ $PRESET == emulated ]]; then EMULATED=1; fi
readonly SMI=${SWITCHYARD_NVIDIA_SMI:-nvidia-smi}
readonly LOGS=$OUT.logs

# ---- the machine

GPUS=0
GPU_NAME="emulated"
if [[ -z $EMULATED ]]; then
  GPUS=$({ "$SMI" -L 2>/dev/null || true; } | grep -c '^GPU ' || true)
  if [[ $GPUS -eq 0 ]]; then
    complain "expected NVIDIA GPUs, found no driver that answers '$SMI -L'; \
run it on a machine with GPUs, or try the script itself with --emulated"
    exit 1
  fi
  GPU_NAME=$("$SMI" --query-gpu=name --format=csv,noheader | head -1)
fi
if [[ -z $RANKS ]]; then
  RANKS=$((GPUS > 8 ? 8 : GPUS))
  if [[ -n $EMULATED ]]; then RANKS=2; fi
fi
if [[ ! $RANKS =~ ^[1-9][0-9]*$ ]]; then
  complain "expected --ranks of 1 or more, found '$RANKS'"
  exit 2
fi

# Dense bf16, in TFLOP/s, from NVIDIA's data sheets.
peak_of() {
  case $1 in
    *H100*PCIe*) echo 756 ;;
    *H100\ NVL*) echo 835 ;;
    *H100* | *H200*) echo 989 ;;
    *A100* | *A800*) echo 312 ;;
    *B200*) echo 2250 ;;
  esac
}
if [[ -z $PEAK ]]; then PEAK=$(peak_of "$GPU_NAME"); fi

mkdir -p "$(dirname "$OUT")" "$LOGS"
TEXT_GIVEN=$TEXT
if [[ -z $TEXT ]]; then
  TEXT=$LOGS/text.txt
  cat README.md docs/*.md docs/adr/*.md >"$TEXT"
fi

first_line_of() { { "$@" 2>&1 || echo "not found"; } | head -1; }
describe_machine() {
  echo "Switchyard on GPUs, $(date '+%Y-%m-%d %H:%M %Z')"
  echo "  revision  $(git describe --always --dirty 2>/dev/null || echo unknown)"
  echo "  host      $(uname -srm), $(nproc) cores"
  echo "  compiler  $(first_line_of c++ --version)"
  echo "  MPI       $(first_line_of mpirun --version)"
  if [[ -n $EMULATED ]]; then
    echo "  GPU       none: CUDA is emulated on the host. Times mean nothing."
  else
    "$SMI" --query-gpu=index,name,driver_version,memory.total \
      --format=csv,noheader | sed 's/^/  GPU       /'
    echo "  nvcc      $({ nvcc --version || echo "not found"; } | tail -1)"
    "$SMI" topo -m 2>/dev/null | sed 's/^/  /' || true
  fi
  echo "  ranks     $RANKS"
  echo "  text      ${TEXT_GIVEN:-the documentation of this tree}"
}

# ---- checks

TOTAL=0
FAILED=0

report() { printf '%s\n' "$@" | tee -a "$OUT"; }

# Lines that a check prints behind "= " are its figures.
# check "name" command arguments...
check() {
  local name=$1 log start result=ok
  shift
  TOTAL=$((TOTAL + 1))
  log=$LOGS/$(printf '%02d' "$TOTAL")-${name//[^a-zA-Z0-9]/_}.log
  start=$SECONDS
  "$@" >"$log" 2>&1 || result="FAILED, exit status $?, see $log"
  if [[ $result != ok ]]; then FAILED=$((FAILED + 1)); fi
  report "" "$name" "  command  $*" \
    "  result   $result" "  time     $((SECONDS - start)) s"
  { grep '^= ' "$log" || true; } | sed 's/^= /           /' | tee -a "$OUT"
}

skip() { report "" "$1" "  skipped  $2"; }

build() {
  cmake --preset "$PRESET" -DSWITCHYARD_BENCHMARKS=ON &&
    cmake --build --preset "$PRESET" --parallel "${SWITCHYARD_JOBS:-$(nproc)}"
}

# The tests that run on a GPU; in a hurry those of two operators.
operator_tests() {
  local some=()
  if [[ -n $QUICK ]]; then some=(-R '^(fixed_point|positions)_test_cuda$'); fi
  ctest --test-dir "$BUILD" -L gpu --no-tests=error --output-on-failure \
    "${some[@]}" || return
  echo "= $(ctest --test-dir "$BUILD" -L gpu -N "${some[@]}" | tail -1)"
}

# sanitize TOOL: the programs of the operators' tests under compute-sanitizer.
sanitize() {
  local name program status=0
  while read -r name; do
    program=$BUILD/tests/unit/kernels/$name
    if [[ ! -x $program ]]; then continue; fi
    echo "== $name"
    if ! SWITCHYARD_TEST_DEVICE=cuda compute-sanitizer --tool "$1" \
      --error-exitcode 9 "$program" --gtest_filter='-*Death*'; then
      echo "= $1 complains about $name"
      status=1
    fi
  done < <(ctest --test-dir "$BUILD" -L gpu -N | sed -n 's/.*: \(.*\)_cuda$/\1/p')
  return $status
}

# train NAME RANKS flags...: a run into the folder NAME of the logs.
train() {
  rm -rf "${LOGS:?}/$1"
  launch/mpirun.sh -n "$2" "$BUILD/switchyard" train --data "$TEXT" \
    --out "$LOGS/$1" --layer_metrics_every 0 --lr 1e-3 --seed 1 "${@:3}"
}

# Step, loss and norm of the gradient of a run, as they are written.
losses() {
  sed -n 's/.*"step": *\([0-9]*\).*"loss": *\([^,}]*\).*"grad_norm": *\([^,}]*\).*/\1 \2 \3/p' \
    "$LOGS/$1/metrics.jsonl"
}

# compare A B TOLERANCE: the largest relative difference of two runs' losses
# and norms, step by step.
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
      printf "at most %s is expected of the loss\n", most
      exit bad || loss > most
    }'
}

# same A B: not a bit differs.
same() {
  if [[ -n $(losses "$1") && $(losses "$1") == "$(losses "$2")" ]]; then
    echo "= losses and norms are the same to the last bit"
  else
    echo "= losses or norms differ: $(compare "$1" "$2" 0 | tail -1)"
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
  launch/mpirun.sh -n "$RANKS" "$BUILD/bench/all_to_all_bench" --device cuda \
    "$@" | sed 's/^/= /'
}

# A model of 2.9 billion parameters, 0.9 billion of them active.
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

# ---- all of it

describe_machine | tee "$OUT"
if [[ -z $BUILD ]]; then
  BUILD=$PWD/build/$PRESET
  check "Build" build
fi
check "Tests of operators and collectives" operator_tests
for tool in memcheck racecheck initcheck synccheck; do
  if [[ -n $EMULATED ]]; then
    skip "compute-sanitizer, $tool" "needs a GPU"
  elif ! command -v compute-sanitizer >/dev/null; then
    check "compute-sanitizer, $tool" command -v compute-sanitizer
  elif [[ -z $QUICK || $tool == memcheck ]]; then
    check "compute-sanitizer, $tool" sanitize "$tool"
  fi
done

SMALL=(--model examples/models/small --seq_len 256 --global_batch 16
  --micro_batch 2 --steps 20)
if [[ -n $QUICK ]]; then
  SMALL=(--model examples/models/tiny --seq_len 32 --global_batch 2
    --micro_batch 1 --steps 2)
fi
WIDTH=$((RANKS % 2 == 0 ? 2 : 1))
# In fp32 both devices differ by rounding alone, until a near tie of two experts
# falls the other way.
check "Training in fp32 against the CPU, dropless" \
  against_cpu dropless 1e-4 "${SMALL[@]}"
check "The same run again" rerun "${SMALL[@]}"
if [[ -z $QUICK ]]; then
  check "Training in fp32 against the CPU, capacity 1.25, 4 chunks" \
    against_cpu capacity 1e-4 "${SMALL[@]}" --capacity_factor 1.25 \
    --expert_parallel "$WIDTH" --overlap_chunks 4
  check "Training in bf16 against the CPU" \
    against_cpu bf16 2e-2 "${SMALL[@]}" --dtype bf16
  check "--determinism layout on $RANKS ranks and on one" layouts "${SMALL[@]}"
fi

if [[ $RANKS -eq 1 ]]; then
  skip "Bandwidth of dispatch and combine" "needs two ranks"
elif [[ -n $EMULATED && ! -x $BUILD/bench/all_to_all_bench ]]; then
  skip "Bandwidth of dispatch and combine" "the build has no benchmarks"
elif [[ -n $QUICK ]]; then
  check "Bandwidth of dispatch and combine" bandwidth --most 262144 --turns 3
else
  check "Bandwidth of dispatch and combine" bandwidth
fi

if [[ -n $QUICK ]]; then
  check "Throughput in bf16" throughput "${SMALL[@]}" --dtype bf16
elif [[ -z $EMULATED ]]; then
  larger_model
  check "Throughput in bf16 of a larger model" throughput \
    --model "$LOGS/model" --seq_len 4096 --micro_batch 1 \
    --global_batch $((4 * RANKS)) --steps 20 --dtype bf16
fi

if [[ $FAILED -eq 0 ]]; then
  report "" "All $TOTAL checks passed. The report is $OUT."
else
  report "" "$FAILED of $TOTAL checks failed. The report is $OUT."
  exit 1
fi
