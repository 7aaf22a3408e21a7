#!/bin/sh
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds the fuzzers with clang and runs each for SECONDS (60):
# tests/fuzz/run.sh [SECONDS [NAME...]]
# A finding ends it with an error and leaves its input in build/fuzz.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
build=build/fuzz
cmake -G Ninja -S tests/fuzz -B "$build" \
  -DCMAKE_CXX_COMPILER="${CXX:-clang++}" >/dev/null
cmake --build "$build"
[ $# -gt 0 ] || set -- $(cd tests/fuzz/corpus && ls)
for name in "$@"; do
  mkdir -p "$build/found/$name"
  "$build/${name}_fuzzer" -max_total_time="$seconds" -max_len=65536 \
    -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$build/$name-" \
    "$build/found/$name" "tests/fuzz/corpus/$name" 2>"$build/$name.log" || {
      tail -n 40 "$build/$name.log"
      exit 1
    }
  sed -n 's/^stat::number_of_executed_units: */'"$name"': no finding in executions: /p' \
    "$build/$name.log"
done
