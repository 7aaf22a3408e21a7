#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Tokens per second of `switchyard train` and of bench/peers/torch_moe.py on the
# same model and text: `small`, 16 sequences of 256 bytes a step, 2 ranks of one
# thread, fp32. Both compute the 8 sequences of a rank at once, each with its own
# balance loss, and share out the experts over both ranks. Pairs run in turn
# (A B A B ...); prints each pair's ratio and the medians.
#
#   bench/compare_with_peer.sh TEXT [PAIRS]
#
# SWITCHYARD_PROGRAM  the program (default build/release/switchyard)
# PYTHON              a Python that has torch (default python3)
# DTYPE               fp32 or bf16 (default fp32)
# STEPS               steps of a run (default 30)
# MICRO_BATCH         sequences at once (default 8, as the peer; train's own
#                     default is 2)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
text=${1:?usage: bench/compare_with_peer.sh TEXT [PAIRS]}
pairs=${2:-5}
program=${SWITCHYARD_PROGRAM:-$root/build/release/switchyard}
python=${PYTHON:-python3}
dtype=${DTYPE:-fp32}
steps=${STEPS:-30}
micro_batch=${MICRO_BATCH:-8}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ours() {
  rm -rf "$work/run"
  "$root/launch/mpirun.sh" -n 2 "$program" train \
    --model "$root/examples/models/small" --data "$text" --out "$work/run" \
    --steps "$steps" --seq_len 256 --global_batch 16 \
    --micro_batch "$micro_batch" --expert_parallel 2 --threads 1 \
    --dtype "$dtype" --lr 1e-3 --schedule constant --warmup_steps 0 \
    --clip_norm 0 --eval_every 0 > "$work/ours.log"
  sed -n 's/.*"tokens_per_second": *\([0-9.e+]*\).*/\1/p' \
    "$work/run/metrics.jsonl" | tail -n +6 | sort -g |
    awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

peer() {
  local common=(env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE
    MASTER_ADDR=127.0.0.1 MASTER_PORT="${MASTER_PORT:-29713}" WORLD_SIZE=2
    OMP_NUM_THREADS=1)
  local args=("$root/bench/peers/torch_moe.py" --data "$text"
    --steps "$steps" --batch 8 --threads 1 --dtype "$dtype")
  "${common[@]}" RANK=1 "$python" "${args[@]}" > "$work/peer1.log" 2>&1 &
  local other=$!
  "${common[@]}" RANK=0 "$python" "${args[@]}" > "$work/peer0.log" 2>&1
  wait "$other"
  sed -n 's/^median \([0-9]*\) tokens.*/\1/p' "$work/peer0.log"
}

echo "pair  switchyard  peer  ratio   (tokens/s, $dtype)"
for ((pair = 1; pair <= pairs; ++pair)); do
  a=$(ours)
  b=$(peer)
  echo "$pair $a $b" | awk '{printf "%4d  %10.0f  %4.0f  %.2f\n", $1, $2, $3, $2 / $3}' |
    tee -a "$work/pairs"
done
for column in 2 3 4; do
  sort -gk "$column" "$work/pairs" | awk -v c="$column" \
    '{v[NR] = $c} END {print v[int((NR + 1) / 2)]}'
done | paste -sd' ' | awk '{print "median  " $1 "  " $2 "  ratio " $3}'
