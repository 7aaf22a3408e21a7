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

# Of the NCCL that a build found.
nccl_version() {
  local include
  include=$(sed -n 's/^NCCL_INCLUDE_DIR:PATH=//p' "$BUILD/CMakeCache.txt")
  sed -n 's/^#define NCCL_\(MAJOR\|MINOR\|PATCH\) *\([0-9]*\).*/\2/p' \
    "$include/nccl.h" | paste -sd .
}

# ---- checks

TOTAL=0
FAILED=0

report() { printf '%s\n' "$@" | tee -a "$OUT"; }

# The commands and figures of a log are those of gpu_check_steps.sh.
# check "name" function arguments...
check() {
  local name=$1 log start result=ok
  shift
  TOTAL=$((TOTAL + 1))
  log=$LOGS/$(printf '%02d' "$TOTAL")-${name//[^a-zA-Z0-9]/_}.log
  start=$SECONDS
  "$@" >"$log" 2>&1 || result="FAILED, exit status $?, see $log"
  if [[ $result != ok ]]; then FAILED=$((FAILED + 1)); fi
  report "" "$name" "$(sed -n 's/^+ /  command  /p' "$log")" \
    "  result   $result" "  time     $((SECONDS - start)) s"
  sed -n 's/^= /           /p' "$log" | tee -a "$OUT"
}

skip() { report "" "$1" "  skipped  $2"; }

# shellcheck source=launch/gpu_check_steps.sh
. launch/gpu_check_steps.sh

# ---- all of it

describe_machine | tee "$OUT"
if [[ -z $BUILD ]]; then
  BUILD=$PWD/build/$PRESET
  check "Build" build
fi
if [[ -z $EMULATED ]]; then
  report "" "NCCL $(nccl_version 2>/dev/null || echo "not found")"
fi
check "Tests of operators and collectives" operator_tests
for tool in memcheck racecheck initcheck synccheck; do
  if [[ -n $EMULATED ]]; then
    skip "compute-sanitizer, $tool" "needs a GPU"
  elif ! command -v compute-sanitizer >/dev/null; then
    check "compute-sanitizer, $tool" command -v compute-sanitizer
  elif [[ -n $QUICK && $tool != memcheck ]]; then
    skip "compute-sanitizer, $tool" "--quick"
  else
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
    against_cpu bf16 1e-2 "${SMALL[@]}" --dtype bf16
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
