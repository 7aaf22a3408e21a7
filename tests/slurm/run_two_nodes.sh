#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Proves that launch/slurm/train.sbatch, as shipped, works under a real Slurm:
#
#   tests/slurm/run_two_nodes.sh [SWITCHYARD]     default build/release/switchyard
#
# starts a Slurm of two nodes that lives as long as the script (see
# with_two_nodes.sh, which says what it needs) and submits jobs of 2 nodes x 2
# ranks, with srun --mpi=pmix and with mpirun:
#
#   - a run, with the losses, gradient norms and weights of one rank and of a
#     local mpirun of 4 ranks, bit for bit;
#   - one that scancel ends: no process is left;
#   - one with a rank killed, and one with a rank stopped: no process is left
#     within the deadline and ten seconds more, and the job's log names rank,
#     host, layer and call.
#
# ONLY=bits,cancel,kill,stop does only these; KEEP=FOLDER keeps the logs there.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$HERE/../.."
COMMAND=$(realpath "${1:-build/release/switchyard}")
ONLY=${ONLY:-bits,cancel,kill,stop}
DEADLINE=10

fail() {
  echo "run_two_nodes.sh: $*" >&2
  exit 1
}

[[ -x $COMMAND ]] || fail "cannot run '$COMMAND'; build it or name it"
export SWITCHYARD_COMMAND=$COMMAND

if [[ -z ${SWITCHYARD_SLURM_FOLDER:-} ]]; then
  folder=${KEEP:-$(mktemp -d)}
  mkdir -p "$folder"
  status=0
  SWITCHYARD_SLURM_FOLDER=$(realpath "$folder") \
    "$HERE/with_two_nodes.sh" "$0" "$COMMAND" || status=$?
  [[ -n ${KEEP:-} ]] || rm -rf "$folder"
  exit "$status"
fi

FOLDER=$SWITCHYARD_SLURM_FOLDER
TEXT=$FOLDER/text
find . -path ./build -prune -o -name '*.h' -exec cat {} + >"$TEXT"
FLAGS=(--model examples/models/tiny --data "$TEXT" --seq_len 128
  --global_batch 16 --micro_batch 2 --threads 1 --comm_timeout "$DEADLINE"
  --eval_fraction 0.1 --eval_batches 4)

# What this machine needs and a real one has no reason to set.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_mpi_yield_when_idle=1 OMP_WAIT_POLICY=passive

# submit NAME OPTIONS... -- FLAGS...: prints the job's number.
submit() {
  local name=$1 options=()
  shift
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  sbatch --parsable --nodes 2 --ntasks-per-node 2 --output "$FOLDER/$name.log" \
    "${options[@]}" launch/slurm/train.sbatch \
    "${FLAGS[@]}" --out "$FOLDER/$name" "$@"
}

state_of() { scontrol show job "$1" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p'; }

# The processes of the command, without those that have ended and are not yet
# waited for: number and node.
ranks() {
  local status pid
  for status in /proc/[0-9]*/status; do
    pid=${status#/proc/}
    pid=${pid%/status}
    if [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == "$COMMAND" ]] &&
      ! grep -q '^State:.Z' "$status" 2>/dev/null; then
      echo "$pid $(tr '\0' '\n' <"/proc/$pid/environ" |
        sed -n 's/^SLURMD_NODENAME=//p')"
    fi
  done
}

# wait_until SECONDS COMMAND...: fails if it does not come true in time.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

ended() { [[ $(state_of "$1") =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT)$ ]]; }
gone() { [[ -z $(ranks) ]]; }
under_way() { [[ $(grep -c '"loss"' "$FOLDER/$1/metrics.jsonl") -ge 3 ]]; }

show() {
  echo "--- $1.log"
  cat "$FOLDER/$1.log"
  echo "---"
}

numbers_of() {
  sed -E 's/"(tokens_per_second|step_seconds)": [^,}]*,? ?//g' \
    "$FOLDER/$1/metrics.jsonl"
  grep -o '"weights_checksum": "[0-9a-f]*"' "$FOLDER/$1/summary.json"
}

same_bits() {
  local name launcher job
  local flags=(--steps 20 --eval_every 10)
  "$COMMAND" train "${FLAGS[@]}" "${flags[@]}" --out "$FOLDER/one" >/dev/null
  launch/mpirun.sh -n 4 "$COMMAND" train "${FLAGS[@]}" "${flags[@]}" \
    --out "$FOLDER/four" >/dev/null
  for launcher in srun mpirun; do
    job=$(SWITCHYARD_LAUNCHER=$launcher submit "$launcher" -- "${flags[@]}")
    wait_until 300 ended "$job" || fail "$launcher: job $job does not end"
    [[ $(state_of "$job") == COMPLETED ]] || {
      show "$launcher"
      fail "$launcher: job $job is $(state_of "$job")"
    }
    grep -q '4 ranks on 2 nodes, expert-parallel width 2' \
      "$FOLDER/$launcher.log" || fail "$launcher: not 4 ranks on 2 nodes"
  done
  for name in four srun mpirun; do
    diff <(numbers_of one) <(numbers_of "$name") >"$FOLDER/diff" || {
      head -n 5 "$FOLDER/diff"
      fail "$name and one rank differ"
    }
  done
  echo "ok: one rank, mpirun of 4, srun and mpirun on 2 nodes: the same" \
    "$(numbers_of one | grep -c loss) rows of numbers," \
    "$(numbers_of one | tail -n 1)"
}

# start NAME LAUNCHER: a long run; sets JOB once it trains.
start() {
  JOB=$(SWITCHYARD_LAUNCHER=$2 submit "$1" -- --steps 1000000)
  wait_until 120 under_way "$1" 2>/dev/null || {
    show "$1"
    fail "$1: job $JOB does not train"
  }
}

# finish NAME SECONDS: the job and its processes are gone in time.
finish() {
  local begin=$SECONDS
  wait_until "$2" ended "$JOB" || {
    show "$1"
    fail "$1: job $JOB is $(state_of "$JOB") after $2 s"
  }
  wait_until $((begin + $2 - SECONDS + 1)) gone ||
    fail "$1: processes are left after $2 s: $(ranks)"
  echo "ok: $1: $(state_of "$JOB") and gone after $((SECONDS - begin)) s"
}

cancelled() {
  start "cancel-$1" "$1"
  scancel "$JOB"
  finish "cancel-$1" 15
}

# lost SIGNAL NAME LAUNCHER LIMIT
lost() {
  local rank_pid number
  start "$2" "$3"
  rank_pid=$(ranks | sed -n 's/ n2$//p' | head -n 1)
  number=$(tr '\0' '\n' <"/proc/$rank_pid/environ" |
    sed -n 's/^\(PMIX_RANK\|OMPI_COMM_WORLD_RANK\)=//p' | head -n 1)
  kill "-$1" "$rank_pid"
  finish "$2" "$4"
  grep -Eq "rank $number \(host n2, process $rank_pid, " "$FOLDER/$2.log" || {
    show "$2"
    fail "$2: rank $number, process $rank_pid on n2, is not named"
  }
  grep 'is not complete' "$FOLDER/$2.log" || {
    show "$2"
    fail "$2: no report"
  }
}

for launcher in srun mpirun; do
  [[ ,$ONLY, != *,bits,* || $launcher == mpirun ]] || same_bits
  [[ ,$ONLY, != *,cancel,* ]] || cancelled "$launcher"
  [[ ,$ONLY, != *,kill,* ]] ||
    lost KILL "kill-$launcher" "$launcher" $((DEADLINE + 10))
  [[ ,$ONLY, != *,stop,* ]] ||
    lost STOP "stop-$launcher" "$launcher" $((DEADLINE + 10))
done
