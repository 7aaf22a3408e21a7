#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# The price of `--determinism layout` on `small`, 2 ranks of one thread, fp32
# and bf16, expert-parallel width 1 and 2: the parts of a step that it touches
# (bench/layout_price.cc) beside the median of whole steps of `switchyard
# train`.
#
#   cmake --preset bench && cmake --build --preset bench
#   bench/layout_price.sh TEXT
#
# BUILD  the build folder (default build/bench)
# STEPS  steps of a training run (default 12, of which 4 are not counted)
# TURNS  turns of each measurement (default 9)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
text=${1:?usage: bench/layout_price.sh TEXT}
build=${BUILD:-$root/build/bench}
steps=${STEPS:-12}
turns=${TURNS:-9}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# step_ms DTYPE WIDTH
step_ms() {
  rm -rf "$work/run"
  "$root/launch/mpirun.sh" -n 2 "$build/switchyard" train \
    --model "$root/examples/models/small" --data "$text" --out "$work/run" \
    --steps "$steps" --seq_len 256 --global_batch 16 --micro_batch 2 \
    --threads 1 --dtype "$1" --expert_parallel "$2" --eval_every 0 \
    > "$work/train.log"
  sed -n 's/.*"step_seconds": *\([0-9.e+-]*\).*/\1/p' \
    "$work/run/metrics.jsonl" | tail -n +5 | sort -g |
    awk '{v[NR] = $1} END {printf "%.1f", 1000 * v[int((NR + 1) / 2)]}'
}

for dtype in fp32 bf16; do
  for width in 1 2; do
    ms=$(step_ms "$dtype" "$width")
    "$root/launch/mpirun.sh" -n 2 "$build/bench/layout_price" \
      "$dtype" "$width" "$ms" "$turns"
  done
done
