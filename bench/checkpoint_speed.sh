#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Checkpoints against dd on one disk, in turn:
#
#   bench/checkpoint_speed.sh FOLDER [MEGABYTES [PAIRS]]
#
# Both write zeros or numbers of that many megabytes and sync them, and read
# them again; before each reading the page cache is dropped, where that is
# allowed (as root), or else both read from it. SWITCHYARD_BUILD is the build
# folder, build/bench by default.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
FOLDER=${1:?expected a folder on the disk}
MEGABYTES=${2:-1000}
PAIRS=${3:-5}
BENCH=${SWITCHYARD_BUILD:-build/bench}/bench/checkpoint_bench
WORK=$(mktemp -d "$FOLDER/checkpoint_speed.XXXXXX")
trap 'rm -rf "$WORK"' EXIT

drop_cache() {
  sync
  { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || true
}
# Megabytes a second in dd's last line, which ends in "1.1 GB/s" or the like.
rate_of_dd() {
  LC_ALL=C dd "$@" 2>&1 | tail -n 1 | awk '{
    rate = $(NF - 1); unit = $NF
    print int(rate * (unit == "GB/s" ? 1000 : unit == "kB/s" ? 0.001 : 1))
  }'
}

echo "pair  write  dd  ratio   read  dd  ratio   (MB/s)"
for ((pair = 1; pair <= PAIRS; ++pair)); do
  rm -rf "$WORK"/*
  drop_cache
  write=$("$BENCH" write "$WORK/checkpoints" "$MEGABYTES")
  drop_cache
  dd_write=$(rate_of_dd if=/dev/zero of="$WORK/dd" bs=4M \
    count=$((MEGABYTES * 1000000 / 4194304)) conv=fsync)
  drop_cache
  read=$("$BENCH" read "$WORK/checkpoints" "$MEGABYTES")
  drop_cache
  dd_read=$(rate_of_dd if="$WORK/dd" of=/dev/null bs=4M)
  printf "%4d  %5d  %d  %.2f   %d  %d  %.2f   %s\n" "$pair" "${write%% *}" \
    "$dd_write" "$(echo "${write%% *} $dd_write" | awk '{print $1 / $2}')" \
    "${read%% *}" "$dd_read" \
    "$(echo "${read%% *} $dd_read" | awk '{print $1 / $2}')" "${write#*, }"
done
